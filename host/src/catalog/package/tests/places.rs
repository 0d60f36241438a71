//! Files and directories used where they stand.

use super::*;

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
