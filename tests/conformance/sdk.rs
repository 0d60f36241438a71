//! boto3: the interpreter's own is offered last, a missing one is explained, a venv is added.

use serde_json::json;

use crate::harness::{Function, default_minor, interpreter, invoke, vendored};

#[test]
fn an_installed_sdk_is_offered_last_and_said() {
    let minor = default_minor();
    let python = interpreter(minor).expect("the default interpreter");
    let has = std::process::Command::new(python).args(["-c", "import boto3"]).output().unwrap();
    if !has.status.success() {
        skip!("python3.{minor} has no boto3 installed");
    }
    let function = Function::python(
        "import sys, boto3
def lambda_handler(event, context):
    return [boto3.__file__, sys.path[0]]
",
    );
    let arguments = ["--timeout", "30", "--memory-size", "512"];
    let run = invoke(&function).args(arguments).run().answered();
    assert_eq!(run.json()[1], "/var/task", "the function's own code comes first");
    let run = run.said(&["boto3"]);
    // The function's own copy wins over the interpreter's.
    drop(run);
    let own = Function::python("import boto3\ndef lambda_handler(e, c):\n    return boto3.MINE\n")
        .file("boto3.py", "MINE = 'mine'\n");
    assert_eq!(invoke(&own).args(arguments).run().answered().json(), "mine");
}

#[test]
fn without_an_sdk_the_import_error_is_followed_by_the_pip_command() {
    let function = Function::python("import boto3\ndef lambda_handler(e, c):\n    return 1\n");
    let run = invoke(&function).args(["--sdk", "off"]).run();
    let run = run.failed_with("Runtime.ImportModuleError");
    run.said(&["pip install", "boto3"]);
}

#[test]
fn a_virtual_environment_is_added_and_does_not_cover_the_function() {
    let minor = default_minor();
    let packages = vendored("venv-tomli", "packages", &["tomli-w==1.2.0"]);
    let packages = packages.expect("a small package can be had from the package index");
    let venv = tempfile::tempdir().unwrap();
    let python = interpreter(minor).expect("the default interpreter");
    let made = std::process::Command::new(python)
        .args(["-m", "venv", "--without-pip"])
        .arg(venv.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let site = venv.path().join(format!("lib/python3.{minor}/site-packages"));
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(packages.join("packages/tomli_w"))
        .arg(&site)
        .status()
        .unwrap();
    assert!(copied.success());
    std::fs::write(site.join("helper.py"), "WHERE = 'the venv'\n").unwrap();
    let function = Function::python(
        "import tomli_w, helper
def lambda_handler(event, context):
    return [tomli_w.dumps({'a': 1}), helper.WHERE]
",
    )
    .file("helper.py", "WHERE = 'the function'\n");
    let run = invoke(&function).args(["--venv"]).args([venv.path()]).run().answered();
    assert_eq!(run.json(), json!(["a = 1\n", "the function"]));
    invoke(&function).args(["--venv", "/no/such/venv"]).run().refused(&["/no/such/venv"]);
}

#[test]
fn the_official_client_is_used_when_the_package_brings_it() {
    let layer = vendored("awslambdaric-layer", "python", &["awslambdaric==4.2.2"]);
    let layer = layer.expect("the official client can be had from the package index");
    let source = "import sys
def lambda_handler(event, context):
    return 'awslambdaric.bootstrap' in sys.modules
";
    let function = Function::python(source);
    let copied = std::process::Command::new("cp")
        .args(["-r", "-t"])
        .arg(function.path())
        .arg(format!("{}/.", layer.join("python").display()))
        .status()
        .unwrap();
    assert!(copied.success());
    let run = invoke(&function).run().answered();
    assert_eq!(run.json(), true);
    run.said(&["awslambdaric"]);
    let run = invoke(&function).args(["--runtime-client", "managed"]).run().answered();
    assert_eq!(run.json(), false, "and the flag still wins");
}

#[test]
fn the_official_client_that_is_nowhere_is_refused() {
    let function = Function::python("def lambda_handler(e, c):\n    return 1\n");
    let run = invoke(&function).args(["--runtime-client", "official", "--sdk", "off"]).run();
    run.refused(&["awslambdaric", "pip install"]);
}
