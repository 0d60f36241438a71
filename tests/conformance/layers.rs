//! Layers under `/opt`, merged in order.

use serde_json::json;

use crate::harness::{Function, invoke, zip_bytes};

#[test]
fn a_layers_python_folder_is_on_the_path() {
    let layer = Function::empty().file("python/shared.py", "WORD = 'from the layer'\n");
    let function =
        Function::python("import shared\ndef lambda_handler(e, c):\n    return shared.WORD\n");
    let run = invoke(&function).args(["--layer"]).args([layer.path()]).run().answered();
    assert_eq!(run.json(), "from the layer");
}

#[test]
fn later_layers_cover_earlier_ones_and_the_rest_is_merged() {
    let one = Function::empty().file("data/same.txt", "one").file("data/one.txt", "1");
    let two = Function::empty().file("data/same.txt", "two").file("data/two.txt", "2");
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    return [open('/opt/data/same.txt').read(), sorted(os.listdir('/opt/data'))]
",
    );
    let run = invoke(&function)
        .args(["--layer".as_ref(), one.path().as_os_str()])
        .args(["--layer".as_ref(), two.path().as_os_str()])
        .run()
        .answered();
    assert_eq!(run.json(), json!(["two", ["one.txt", "same.txt", "two.txt"]]));
}

#[test]
fn a_layer_may_be_a_zip_with_programs() {
    let zip = zip_bytes(&[("bin/tool", b"#!/bin/sh\necho layered\n", 0o755)]);
    let layer = Function::empty().file("layer.zip", zip);
    let function = Function::python(
        "import subprocess
def lambda_handler(event, context):
    return subprocess.check_output(['tool']).decode()
",
    );
    let run = invoke(&function).args(["--layer"]).args([layer.at("layer.zip")]).run().answered();
    assert_eq!(run.json(), "layered\n", "/opt/bin is on the PATH");
}

#[test]
fn a_private_layer_is_readable_inside_and_untouched_outside() {
    use std::os::unix::fs::MetadataExt as _;
    let layer = Function::empty()
        .file("python/shared.py", "WORD = 'private'\n")
        .mode("python/shared.py", 0o600)
        .mode("python", 0o700);
    let before = std::fs::metadata(layer.at("python/shared.py")).unwrap();
    let function =
        Function::python("import shared\ndef lambda_handler(e, c):\n    return shared.WORD\n");
    let run = invoke(&function).args(["--layer"]).args([layer.path()]).run().answered();
    assert_eq!(run.json(), "private");
    let after = std::fs::metadata(layer.at("python/shared.py")).unwrap();
    assert_eq!((before.mode(), before.uid()), (after.mode(), after.uid()));
}

#[test]
fn layers_are_read_only() {
    let layer = Function::empty().file("data/x.txt", "x");
    let function = Function::python(
        "def lambda_handler(event, context):
    try:
        open('/opt/data/x.txt', 'w')
    except OSError as error:
        return type(error).__name__
",
    );
    let run = invoke(&function).args(["--layer"]).args([layer.path()]).run().answered();
    assert!(
        ["OSError", "PermissionError"].contains(&run.json().as_str().unwrap()),
        "{}",
        run.text()
    );
    assert_eq!(std::fs::read_to_string(layer.at("data/x.txt")).unwrap(), "x");
}
