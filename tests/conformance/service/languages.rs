//! Deployed functions of other languages than Python: what runs an `invoke` runs them too.

use std::process::Command;
use std::time::Duration;

use crate::harness::{Host, has_jdk, stretched};

/// Whatever version of its interpreter this machine has may stand in.
const NEAR: [&str; 2] = ["--runtime-compat", "near"];

/// Whether the interpreter can be started at all.
fn is_there(interpreter: &str) -> bool {
    Command::new(interpreter).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_node_function_is_deployed_and_keeps_its_environment() {
    if !is_there("node") {
        skip!("no Node.js on this machine");
    }
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &NEAR);
    host.python(
        r#"
source = """
let calls = 0;
export const handler = async (event, context) => {
    calls += 1;
    console.log("call", calls);
    if (event.fail) throw new TypeError("asked to");
    return { event, calls, name: context.functionName, variable: process.env.GREETING };
};
"""
create(c, "node", Runtime="nodejs24.x", Handler="index.handler",
    Code={"ZipFile": zipped(source, "index.mjs")}, Environment={"Variables": {"GREETING": "hello"}})
for calls in 1, 2:
    found = answer(c.invoke(FunctionName="node", Payload=b'{"a": 1}'))
    assert found == {"event": {"a": 1}, "calls": calls, "name": "node", "variable": "hello"}, found
failed = c.invoke(FunctionName="node", Payload=b'{"fail": true}', LogType="Tail")
assert failed["FunctionError"] == "Unhandled", failed
found = answer(failed)
assert (found["errorType"], found["errorMessage"]) == ("TypeError", "asked to"), found
tail = base64.b64decode(failed["LogResult"]).decode()
assert "call 3" in tail and "REPORT RequestId" in tail, tail
"#,
    );
}

#[test]
fn a_ruby_function_is_deployed() {
    if !is_there("ruby") {
        skip!("no Ruby on this machine");
    }
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &NEAR);
    host.python(
        r#"
source = """
def handler(event:, context:)
  { event: event, name: context.function_name }
end
"""
create(c, "ruby", Runtime="ruby3.4", Handler="app.handler", Code={"ZipFile": zipped(source, "app.rb")})
found = answer(c.invoke(FunctionName="ruby", Payload=b'{"a": 1}'))
assert found == {"event": {"a": 1}, "name": "ruby"}, found
"#,
    );
}

/// Says where the JVM had its own class from, as it logs each class that is loaded.
const JAVA_SOURCE: &str = r#"
import java.nio.file.*;
import java.util.*;
public class Own {
    static final Inner INNER = new Inner();
    static class Inner { final Object made = new ArrayList<>(Collections.nCopies(3, "x")); }
    public Map<String, Object> of(Map<String, Object> event) throws Exception {
        Map<String, Object> found = new HashMap<>();
        for (String line : Files.readAllLines(Paths.get("/tmp/classes.txt"))) {
            if (line.contains("Own$Inner ")) {
                found.put("source", line);
            }
        }
        found.put("bytes", Files.size(Paths.get("/var/runtime/bootstrap.jsa")));
        return found;
    }
}
"#;

#[test]
fn a_java_version_has_an_archive_of_its_own_classes_behind_its_first_start() {
    if !has_jdk("17") {
        skip!("no JDK for java17 on this machine");
    }
    let built = tempfile::tempdir().unwrap();
    std::fs::write(built.path().join("Own.java"), JAVA_SOURCE).unwrap();
    let javac = Command::new("javac")
        .args(["--release", "17", "-d", ".", "Own.java"])
        .current_dir(built.path())
        .output()
        .unwrap();
    assert!(javac.status.success(), "{}", String::from_utf8_lossy(&javac.stderr));
    let data = tempfile::tempdir().unwrap();
    // Each invocation is a cold start.
    let host = Host::start(data.path(), &["--idle-timeout", "1"]);
    let script = r#"
import io, time, zipfile
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as package:
    for name in "Own.class", "Own$Inner.class":
        package.write(BUILT + "/" + name, name)
create(c, "own", Runtime="java17", Handler="Own::of", MemorySize=256, Timeout=max(60, TIMEOUT),
    Code={"ZipFile": archive.getvalue()},
    Environment={"Variables": {"JAVA_TOOL_OPTIONS": "-Xlog:class+load:file=/tmp/classes.txt"}})
asked, until = 0, time.monotonic() + SECONDS
while True:
    asked += 1
    found = answer(c.invoke(FunctionName="own", Payload=b"{}"))
    if asked == 1:
        first = found
        assert "shared objects file" not in first["source"], first
    elif "shared objects file (top)" in found["source"]:
        break
    assert time.monotonic() < until, found
    time.sleep(1.5)
assert found["bytes"] > first["bytes"], (first, found)
print(asked)
"#;
    let script = script
        .replace("BUILT", &format!("{:?}", built.path().to_str().unwrap()))
        .replace("SECONDS", &stretched(Duration::from_secs(300)).as_secs().to_string());
    // What the host does for itself is no use of the function.
    let asked: usize = host.python(&script).trim().parse().unwrap();
    let log = host.log();
    assert_eq!(log.matches("START RequestId").count(), asked, "{log}");
}
