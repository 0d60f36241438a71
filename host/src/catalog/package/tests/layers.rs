//! Layers, one and several.

use super::*;

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
