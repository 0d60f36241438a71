//! Zips: what is unpacked, and what is refused by name.

use super::*;

#[test]
fn a_zip_unpacks_to_plain_modes_with_programs_and_inner_links() {
    let desk = Desk::new();
    let zip = desk.zip(
        "f.zip",
        &[
            Plain("app.py", 0o600, "code"),
            Plain("bin/run", 0o750, "#!/bin/sh"),
            Plain("bin/suid", 0o4755, ""),
            Link("lib64", "bin"),
            Link("bin/deep", "../bin/run"),
        ],
    );
    let package = desk.open(&zip).unwrap();
    assert_eq!(package.root, desk.at("work/task"));
    assert_eq!((package.origin, package.access), (Origin::Zip, Access::Everybody));
    assert_eq!(package.unpacked_bytes, 13);
    assert_eq!(package.entry_file, None);
    let root = &package.root;
    assert_eq!(mode(root), 0o755);
    assert_eq!(mode(&root.join("app.py")), 0o644);
    assert_eq!(mode(&root.join("bin")), 0o755);
    assert_eq!(mode(&root.join("bin/run")), 0o755);
    assert_eq!(mode(&root.join("bin/suid")), 0o755);
    assert_eq!(fs::read_to_string(root.join("lib64/deep")).unwrap(), "#!/bin/sh");
    assert_eq!(survey(root).unwrap().access, Access::Everybody);
}

#[test]
fn a_file_that_is_no_zip_is_said_to_be_none() {
    let desk = Desk::new();
    for text in ["", "hello", "PK\x03\x04 but not really"] {
        let error = desk.refused(&desk.write("f.zip", text));
        assert!(matches!(error, PackageError::NotAZip { .. }), "{error}");
        assert!(error.to_string().contains("is not a zip archive"), "{error}");
    }
}

#[test]
fn a_zip_with_nothing_in_it_is_refused() {
    let desk = Desk::new();
    assert!(matches!(desk.refused(&desk.zip("f.zip", &[])), PackageError::Empty { .. }));
}

#[test]
fn members_that_lead_outside_are_refused_by_name() {
    let desk = Desk::new();
    assert_eq!(desk.fault(&desk.renamed("aa/x", b"../x")), MemberFault::Parent);
    assert_eq!(desk.fault(&desk.renamed("aa/../xx", b"aa/../..")), MemberFault::Parent);
    assert_eq!(desk.fault(&desk.renamed("atmp/x", b"/tmp/x")), MemberFault::Absolute);
    assert_eq!(desk.fault(&desk.renamed("caf_", b"caf\xe9")), MemberFault::NotUtf8);
    assert_eq!(desk.fault(&desk.renamed("a_b", b"a\0b")), MemberFault::NoName);
    let text = desk.refused(&desk.renamed("aa/\nx", b"../\nx")).to_string();
    assert!(text.contains("`../\\nx`") && text.contains("nothing of it was kept"), "{text}");
}

#[test]
fn links_that_lead_outside_are_refused() {
    let desk = Desk::new();
    for target in ["/etc/passwd", "../x", "..", "a/../../x"] {
        let zip = desk.zip("f.zip", &[Plain("a/x", 0o644, ""), Link("l", target)]);
        let expected = MemberFault::LinkOutside { target: target.to_owned() };
        assert_eq!(desk.fault(&zip), expected);
    }
    let by_way = [Link("a/b/c", "../.."), Link("l", "a/b/c/../secret")];
    assert!(matches!(desk.fault(&desk.zip("f.zip", &by_way)), MemberFault::LinkOutside { .. }));
    assert_eq!(desk.fault(&desk.zip("f.zip", &[Link("l", "")])), MemberFault::LinkUnusable);
}

#[test]
fn a_member_written_through_a_link_is_refused_in_either_order() {
    let desk = Desk::new();
    let (link, file) = (Link("l", "a"), Plain("l/x", 0o644, "x"));
    for members in [[link, file], [file, link]] {
        let fault = desk.fault(&desk.zip("f.zip", &members));
        assert_eq!(fault, MemberFault::ThroughLink { link: "l".to_owned() });
    }
}

#[test]
fn a_member_below_a_file_is_refused() {
    let desk = Desk::new();
    let zip = desk.zip("f.zip", &[Plain("a", 0o644, ""), Plain("a/b", 0o644, "")]);
    assert_eq!(desk.fault(&zip), MemberFault::UnderFile { file: "a".to_owned() });
}

#[test]
fn the_same_member_twice_is_refused_by_name() {
    let desk = Desk::new();
    let zip = desk.zip("f.zip", &[Plain("app.py", 0o644, "1"), Plain("bpp.py", 0o644, "2")]);
    desk.patch(&zip, |bytes| {
        for at in 0..bytes.len() - 6 {
            if &bytes[at..at + 6] == b"bpp.py" {
                bytes[at] = b'a';
            }
        }
    });
    let error = desk.refused(&zip).to_string();
    assert!(error.contains("`app.py` is in it more than once"), "{error}");
    let zip = desk.zip("f.zip", &[Plain("app.py", 0o644, "1"), Plain("./app.py", 0o644, "2")]);
    assert_eq!(desk.fault(&zip), MemberFault::Duplicate);
}

#[test]
fn device_nodes_pipes_and_sockets_are_refused() {
    let desk = Desk::new();
    for (kind, word) in [
        (0o020_000_u32, "device node"),
        (0o060_000, "device node"),
        (0o010_000, "named pipe"),
        (0o140_000, "socket"),
    ] {
        let zip = desk.zip("f.zip", &[Plain("x", 0o644, "")]);
        desk.patch(&zip, |bytes| {
            let header = central_headers(bytes)[0];
            let attributes = (kind | 0o644) << 16;
            bytes[header + 38..header + 42].copy_from_slice(&attributes.to_le_bytes());
        });
        assert_eq!(desk.fault(&zip), MemberFault::Special { kind: word });
    }
}

#[test]
fn an_encrypted_zip_is_refused() {
    let desk = Desk::new();
    let zip = desk.zip("f.zip", &[Plain("x", 0o644, "text")]);
    desk.patch(&zip, |bytes| {
        let header = central_headers(bytes)[0];
        bytes[header + 8] |= 1;
        bytes[6] |= 1;
    });
    assert_eq!(desk.fault(&zip), MemberFault::Encrypted);
}

#[test]
fn an_unknown_compression_is_refused_by_number() {
    let desk = Desk::new();
    let zip = desk.zip("f.zip", &[Plain("x", 0o644, "text")]);
    desk.patch(&zip, |bytes| {
        let header = central_headers(bytes)[0];
        bytes[header + 10] = 77;
        bytes[8] = 77;
    });
    assert_eq!(desk.fault(&zip), MemberFault::Method { method: 77 });
}

#[test]
fn a_damaged_member_is_named() {
    let desk = Desk::new();
    let path = desk.at("f.zip");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("app.py", stored).unwrap();
    zip.write_all(b"unbroken").unwrap();
    zip.finish().unwrap();
    desk.patch(&path, |bytes| {
        let at = bytes.windows(8).position(|window| window == b"unbroken").unwrap();
        bytes[at] = b'U';
    });
    let error = desk.refused(&path);
    assert!(matches!(error, PackageError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("`app.py` is damaged"), "{error}");
}

#[test]
fn a_name_with_a_backslash_is_kept_and_mentioned() {
    let desk = Desk::new();
    let zip = desk.zip("f.zip", &[Plain("lib\\app.py", 0o644, "")]);
    let package = desk.open(&zip).unwrap();
    assert!(package.root.join("lib\\app.py").is_file());
    assert!(package.warnings[0].contains("Windows"), "{:?}", package.warnings);
}
