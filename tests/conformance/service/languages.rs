//! Deployed functions of other languages than Python: what runs an `invoke` runs them too.

use std::process::Command;

use crate::harness::Host;

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
