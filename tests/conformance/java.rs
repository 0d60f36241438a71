//! What only Java has: a source that is built before it runs.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{e2e_cache, has_jdk, lambdabox};

const HELLO: &str = "import java.util.Map;
public class Hello {
    public Map<String, String> greet(Map<String, String> event) {
        return Map.of(\"message\", \"Hello, \" + event.get(\"name\") + \"!\");
    }
}
";

fn ran(program: &str, arguments: &[&str], directory: &Path) {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_class_without_any_library_runs_as_a_jar() {
    if !has_jdk("17") {
        skip!("no JDK for java17 on this machine");
    }
    let built = tempfile::tempdir().unwrap();
    std::fs::write(built.path().join("Hello.java"), HELLO).unwrap();
    ran("javac", &["--release", "17", "-d", ".", "Hello.java"], built.path());
    ran("jar", &["--create", "--file", "hello.jar", "Hello.class"], built.path());
    let run = lambdabox(["invoke".into(), built.path().join("hello.jar")])
        .args(["--handler", "Hello::greet", "--runtime", "java17", "--memory-size", "256"])
        .args(["--timeout", "30"])
        .event(r#"{"name":"Ada"}"#);
    assert_eq!(run.run().answered().json(), json!({"message": "Hello, Ada!"}));
}

#[test]
fn tool_options_are_heard_and_the_archive_of_classes_is_mapped() {
    if !has_jdk("17") {
        skip!("no JDK for java17 on this machine");
    }
    let source = "public class F {
    public String of(Object event) throws Exception {
        java.nio.file.Path maps = java.nio.file.Paths.get(\"/proc/self/maps\");
        boolean mapped = new String(java.nio.file.Files.readAllBytes(maps)).contains(\"/bootstrap.jsa\");
        return System.getProperty(\"of.mine\") + \" \" + mapped;
    }
}
";
    let built = tempfile::tempdir().unwrap();
    std::fs::write(built.path().join("F.java"), source).unwrap();
    ran("javac", &["--release", "17", "-d", ".", "F.java"], built.path());
    let run = |options: &str| {
        lambdabox(["invoke".into(), built.path().to_owned()])
            .args(["--handler", "F::of", "--runtime", "java17", "--memory-size", "256"])
            .args(["--timeout", "60", "--env", &format!("JAVA_TOOL_OPTIONS={options}")])
            .data(&e2e_cache().join("java-data"))
            .run()
            .answered()
    };
    assert_eq!(run("-Dof.mine=heard").json(), "heard true");
    // Where the archive does not fit there is neither it nor a word about it.
    let other = run("-Dof.mine=heard -XX:-UseCompressedClassPointers");
    assert_eq!(other.json(), "heard false");
    assert!(!other.stderr.contains("[cds"), "{}", other.stderr);
    assert_eq!(run("-Dof.mine=heard -Xshare:off").json(), "heard false");
}
