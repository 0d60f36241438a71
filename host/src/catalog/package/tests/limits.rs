//! Size and number of members: what deploying would refuse.

use super::*;

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
