//! Bad packages and layers, each made for real.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::error::MemberFault;
use super::super::layers::{Layers, open_layers};
use super::super::unpack::MAX_MEMBERS;
use super::*;

/// A workspace and things to open.
struct Desk {
    dir: TempDir,
}

/// One member of a zip to be made.
#[derive(Clone, Copy)]
enum Member<'a> {
    File(&'a str, u32, &'a str),
    Link(&'a str, &'a str),
}

use Member::{File as Plain, Link};

impl Desk {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("work")).unwrap();
        Self { dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(path)
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    fn zip(&self, name: &str, members: &[Member<'_>]) -> PathBuf {
        let path = self.at(name);
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for member in members {
            match member {
                Plain(name, mode, text) => {
                    let options = SimpleFileOptions::default().unix_permissions(*mode);
                    zip.start_file(*name, options).unwrap();
                    zip.write_all(text.as_bytes()).unwrap();
                }
                Link(name, target) => {
                    zip.add_symlink(*name, *target, SimpleFileOptions::default()).unwrap();
                }
            }
        }
        zip.finish().unwrap();
        path
    }

    /// A zip whose first member's name is then overwritten in place, for names no tool would write.
    fn renamed(&self, from: &str, to: &[u8]) -> PathBuf {
        assert_eq!(from.len(), to.len());
        let path = self.zip("renamed.zip", &[Plain(from, 0o644, "x")]);
        self.patch(&path, |bytes| {
            for at in 0..bytes.len() - from.len() {
                if &bytes[at..at + from.len()] == from.as_bytes() {
                    bytes[at..at + from.len()].copy_from_slice(to);
                }
            }
        });
        path
    }

    fn patch(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    fn open(&self, path: &Path) -> Result<Package, PackageError> {
        open(path, &self.at("work"), &[self.at("home")])
    }

    fn layers(&self, code: &Package, paths: &[PathBuf]) -> Result<Layers, PackageError> {
        open_layers(paths, &self.at("work"), code)
    }

    /// Opens what must be refused, and sees that nothing stays.
    fn refused(&self, path: &Path) -> PackageError {
        let error = self.open(path).unwrap_err();
        self.nothing_left();
        error
    }

    fn fault(&self, path: &Path) -> MemberFault {
        match self.refused(path) {
            PackageError::BadMember { fault, .. } => fault,
            other => panic!("{other:?}"),
        }
    }

    fn nothing_left(&self) {
        let left: Vec<_> = fs::read_dir(self.at("work")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Offsets of the central directory's headers.
fn central_headers(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == *b"PK\x01\x02").collect()
}

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
fn a_path_that_is_not_there_is_said_to_be_missing() {
    let desk = Desk::new();
    desk.write("file", "");
    for path in ["gone", "gone/app.py", "file/app.py"] {
        let error = desk.refused(&desk.at(path));
        assert!(matches!(error, PackageError::NoSuchPath { .. }), "{error}");
    }
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

/// Bytes of one member of [`zeros`]; the zip repeats its compressed form, which is quick to make.
const CHUNK_BYTES: u64 = MAX_UNPACKED_BYTES / 64;

/// A zip that unpacks to `chunks` times [`CHUNK_BYTES`] of zeros.
fn zeros(desk: &Desk, name: &str, chunks: u64) -> PathBuf {
    let one = desk.at("one.zip");
    let mut zip = ZipWriter::new(File::create(&one).unwrap());
    zip.start_file("0", SimpleFileOptions::default().compression_level(Some(1))).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), CHUNK_BYTES), &mut zip).unwrap();
    zip.finish().unwrap();
    let mut one = zip::ZipArchive::new(File::open(&one).unwrap()).unwrap();
    let path = desk.at(name);
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    for number in 0..chunks {
        zip.raw_copy_file_rename(one.by_index_raw(0).unwrap(), number.to_string()).unwrap();
    }
    zip.finish().unwrap();
    path
}

#[test]
fn a_zip_over_the_limit_is_refused() {
    let desk = Desk::new();
    let error = desk.refused(&zeros(&desk, "bomb.zip", 65));
    assert!(matches!(error, PackageError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("262144000"), "{error}");
    assert!(error.to_string().contains("250 MB"), "{error}");
}

#[test]
fn a_zip_that_lies_about_its_size_does_not_get_past_it() {
    let desk = Desk::new();
    let zip = zeros(&desk, "liar.zip", 1);
    desk.patch(&zip, |bytes| {
        let header = central_headers(bytes)[0];
        bytes[header + 24..header + 28].copy_from_slice(&5_u32.to_le_bytes());
    });
    let error = desk.refused(&zip);
    assert!(matches!(error, PackageError::Damaged { .. }), "{error:?}");
}

#[test]
fn a_zip_of_too_many_members_is_refused_before_any_is_made() {
    let desk = Desk::new();
    let path = desk.at("many.zip");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for number in 0..=MAX_MEMBERS {
        zip.start_file(number.to_string(), stored).unwrap();
    }
    zip.finish().unwrap();
    let error = desk.refused(&path);
    assert!(matches!(error, PackageError::TooManyMembers { .. }), "{error}");
}

#[test]
fn a_directory_over_the_limit_is_only_warned_about() {
    let desk = Desk::new();
    let file = desk.write("f/app.py", "");
    File::options().write(true).open(&file).unwrap().set_len(MAX_UNPACKED_BYTES + 1).unwrap();
    let package = desk.open(&desk.at("f")).unwrap();
    assert_eq!(package.unpacked_bytes, MAX_UNPACKED_BYTES + 1);
    assert!(package.warnings[0].contains("262144000"), "{:?}", package.warnings);
}

#[test]
fn of_a_file_its_directory_is_the_package_under_the_name_given() {
    let desk = Desk::new();
    desk.write("f/app.py", "");
    let package = desk.open(&desk.at("f/app.py")).unwrap();
    assert_eq!((package.root.clone(), package.origin), (desk.at("f"), Origin::File));
    assert_eq!(package.entry_file.as_deref(), Some(Path::new("app.py")));
    desk.write("elsewhere/real.py", "");
    symlink(desk.at("elsewhere/real.py"), desk.at("f/link.py")).unwrap();
    let package = desk.open(&desk.at("f/link.py")).unwrap();
    assert_eq!(package.root, desk.at("f"));
    assert!(
        package.warnings[0].contains("link.py is a symbolic link to"),
        "{:?}",
        package.warnings
    );
}

#[test]
fn the_root_system_directories_and_homes_are_refused_with_a_hint() {
    let desk = Desk::new();
    let file = desk.write("home/app.py", "");
    for path in [file, desk.at("home"), desk.at(""), "/".into(), "/etc/passwd".into()] {
        let error = desk.refused(&path);
        assert!(matches!(error, PackageError::TooMuchToShow { .. }), "{error}");
        assert!(error.to_string().contains("a directory of its own"), "{error}");
    }
    desk.write("home/f/app.py", "");
    assert!(desk.open(&desk.at("home/f")).is_ok(), "a directory in a home is what people have");
    assert!(open(&desk.at("home/f"), &desk.at("work"), &["/".into()]).is_ok());
}

#[test]
fn a_directory_all_programs_share_is_warned_about() {
    let desk = Desk::new();
    desk.write("tmp/app.py", "");
    fs::set_permissions(desk.at("tmp"), Permissions::from_mode(0o1777)).unwrap();
    let warnings = desk.open(&desk.at("tmp/app.py")).unwrap().warnings;
    assert!(warnings[0].contains("shared by all programs"), "{warnings:?}");
}

#[test]
fn a_pipe_is_no_package() {
    let desk = Desk::new();
    let pipe = desk.at("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(matches!(desk.refused(&pipe), PackageError::NotAPackage { .. }));
}

#[test]
fn a_name_with_a_backslash_is_kept_and_mentioned() {
    let desk = Desk::new();
    let zip = desk.zip("f.zip", &[Plain("lib\\app.py", 0o644, "")]);
    let package = desk.open(&zip).unwrap();
    assert!(package.root.join("lib\\app.py").is_file());
    assert!(package.warnings[0].contains("Windows"), "{:?}", package.warnings);
}

#[test]
fn one_layer_directory_is_used_where_it_stands() {
    let desk = Desk::new();
    desk.write("f/app.py", "12");
    desk.write("layer/python/lib.py", "123");
    fs::set_permissions(desk.at("layer"), Permissions::from_mode(0o700)).unwrap();
    let code = desk.open(&desk.at("f")).unwrap();
    let layers = desk.layers(&code, &[desk.at("layer")]).unwrap();
    assert_eq!(layers.root, Some(desk.at("layer")));
    assert!(matches!(layers.access, Access::OwnerOnly { .. }));
    assert_eq!(layers.unpacked_bytes, 3);
    desk.nothing_left();
    assert_eq!(desk.layers(&code, &[]).unwrap().root, None);
}

#[test]
fn later_layers_overwrite_earlier_ones_zip_or_directory() {
    let desk = Desk::new();
    desk.write("f/app.py", "");
    desk.write("dir/python/a", "dir");
    desk.write("dir/python/b", "dir");
    let first = desk.zip(
        "1.zip",
        &[Plain("python/a", 0o644, "1"), Plain("python/c", 0o644, "1"), Plain("x", 0o755, "1")],
    );
    let last = desk.zip("2.zip", &[Plain("python/b", 0o644, "2"), Plain("x/y", 0o644, "2")]);
    let code = desk.open(&desk.at("f")).unwrap();
    let layers = desk.layers(&code, &[first, desk.at("dir"), last]).unwrap();
    let root = layers.root.unwrap();
    assert_eq!(root, desk.at("work/opt"));
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    assert_eq!(
        (read("python/a"), read("python/b"), read("python/c"), read("x/y")),
        ("dir".to_owned(), "2".to_owned(), "1".to_owned(), "2".to_owned())
    );
    assert_eq!((layers.access, layers.unpacked_bytes), (Access::Everybody, 3 + 6 + 2));
    assert_eq!(survey(&root).unwrap().access, Access::Everybody);
    assert!(!desk.at("work/layer").exists());
    assert_eq!(fs::read_to_string(desk.at("dir/python/b")).unwrap(), "dir", "the user's own");
}

#[test]
fn bad_layers_are_refused_and_leave_nothing() {
    let desk = Desk::new();
    desk.write("f/app.py", "");
    let code = desk.open(&desk.at("f")).unwrap();
    let good = desk.zip("1.zip", &[Plain("a", 0o644, "")]);
    let bad = desk.zip("2.zip", &[Link("a", "/etc")]);
    let error = desk.layers(&code, &[good.clone(), bad]).unwrap_err();
    assert!(matches!(error, PackageError::BadMember { .. }), "{error}");
    desk.nothing_left();
    let error = desk.layers(&code, &[good.clone(), desk.at("gone")]).unwrap_err();
    assert!(matches!(error, PackageError::NoSuchPath { .. }), "{error}");
    desk.nothing_left();
    let six = vec![good; 6];
    let error = desk.layers(&code, &six).unwrap_err();
    assert!(matches!(error, PackageError::TooManyLayers { count: 6, limit: 5 }), "{error}");
}

#[test]
fn code_and_layers_together_over_the_limit_are_refused() {
    let desk = Desk::new();
    let half = CHUNK_BYTES * 33;
    let zip = zeros(&desk, "half.zip", 33);
    let code = desk.open(&zip).unwrap();
    let error = desk.layers(&code, std::slice::from_ref(&zip)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, PackageError::TooLarge { .. }), "{text}");
    assert!(text.contains(&format!("before it take {half} bytes")), "{text}");
    assert!(!desk.at("work/opt").exists());

    // A directory counts for the warning only.
    let file = desk.write("f/app.py", "");
    File::options().write(true).open(&file).unwrap().set_len(half).unwrap();
    let code = desk.open(&desk.at("f")).unwrap();
    let layers = desk.layers(&code, &[zip]).unwrap();
    assert!(layers.warnings[0].contains("could not be deployed"), "{:?}", layers.warnings);
}

#[test]
fn a_real_package_unpacks_quickly() {
    let desk = Desk::new();
    let path = desk.at("many.zip");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    for number in 0..3000 {
        let options = SimpleFileOptions::default();
        zip.start_file(format!("lib/p{}/m{number}.py", number % 60), options).unwrap();
        zip.write_all(&[b'x'; 2000]).unwrap();
    }
    zip.finish().unwrap();
    let start = std::time::Instant::now();
    let package = desk.open(&path).unwrap();
    println!("3000 files in {:?}", start.elapsed());
    assert_eq!(package.unpacked_bytes, 6_000_000);
}
