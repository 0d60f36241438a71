//! What only Java has: a source that is built before it runs.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{has_jdk, lambdabox};

fn ran(program: &str, arguments: &[&str], directory: &Path) {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_hello_of_the_language_folder_runs_as_a_jar() {
    if !has_jdk("17") {
        skip!("no JDK for java17 on this machine");
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtimes/java/hello/Hello.java");
    let built = tempfile::tempdir().unwrap();
    ran("javac", &["--release", "17", "-d", ".", source], built.path());
    ran("jar", &["--create", "--file", "hello.jar", "Hello.class"], built.path());
    let run = lambdabox(["invoke".into(), built.path().join("hello.jar")])
        .args(["--handler", "Hello::greet", "--runtime", "java17", "--memory-size", "256"])
        .args(["--timeout", "30"])
        .event(r#"{"name":"Ada"}"#);
    assert_eq!(run.run().answered().json(), json!({"message": "Hello, Ada!"}));
}
