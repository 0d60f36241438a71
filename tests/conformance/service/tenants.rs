//! Tenant isolation: whose an invocation is, and that environments are never shared.

use super::on_a_host;
use crate::harness::{Function, Host, invoke, lambdabox};

#[test]
fn each_tenant_has_environments_of_its_own_and_the_function_knows_whose_it_is() {
    on_a_host(
        r#"
source = "count = 0\ndef handler(e, c):\n    global count\n    count += 1\n    return [c.tenant_id, count]\n"
made = create(c, "t", source, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
assert made["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
assert c.get_function_configuration(FunctionName="t")["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
def call(tenant):
    return answer(c.invoke(FunctionName="t", TenantId=tenant))
assert [call("blue"), call("red"), call("blue"), call("a b/c@1")] == [["blue", 1], ["red", 1], ["blue", 2], ["a b/c@1", 1]]
stream = c.invoke_with_response_stream(FunctionName="t", TenantId="red")["EventStream"]
assert next(iter(stream))["PayloadChunk"]["Payload"] == b'["red", 2]'
assert c.invoke(FunctionName="t", TenantId="red", InvocationType="DryRun")["StatusCode"] == 204
assert c.invoke(FunctionName="t", TenantId="red", InvocationType="Event")["StatusCode"] == 202
until(lambda: call("red")[1] > 3)
missing = ("The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and "
           "try again.")
for kind in "RequestResponse", "Event", "DryRun":
    refused(c.invoke, "InvalidParameterValueException", missing, 400, FunctionName="t", InvocationType=kind)
refused(c.invoke_with_response_stream, "InvalidParameterValueException", missing, 400, FunctionName="t")
create(c, "f")
for kind in "RequestResponse", "Event", "DryRun":
    refused(c.invoke, "InvalidParameterValueException",
            "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request "
            "and try again.", 400, FunctionName="f", InvocationType=kind, TenantId="red")
raw = client(parameter_validation=False)
refused(raw.invoke, "ValidationException",
        r"1 validation error detected: Value 'a;b' at 'tenantId' failed to satisfy constraint: Member must satisfy "
        r"regular expression pattern: [a-zA-Z0-9\._:\/=+\-@ ]+", 400, FunctionName="t", TenantId="a;b")
refused(raw.create_function, "ValidationException",
        "1 validation error detected: Value 'NONE' at 'tenancyConfig.tenantIsolationMode' failed to satisfy "
        "constraint: Member must satisfy enum value set: [PER_TENANT]", 400, FunctionName="g", Runtime=RUNTIME, Role=ROLE,
        Handler="a.b", Code={"ZipFile": zipped(ECHO)}, TenancyConfig={"TenantIsolationMode": "NONE"})
refused(c.create_function_url_config, "InvalidParameterValueException", status=400, FunctionName="t", AuthType="NONE")
"#,
    );
}

#[test]
fn the_tenant_is_in_the_json_log_of_host_and_function_and_nowhere_else() {
    on_a_host(
        r#"
source = "import logging\nlogging.getLogger().setLevel('INFO')\ndef handler(e, c):\n    logging.info('mine')\n"
logs = {"LogFormat": "JSON", "SystemLogLevel": "DEBUG"}
create(c, "t", source, TenancyConfig={"TenantIsolationMode": "PER_TENANT"}, LoggingConfig=logs)
create(c, "f", source, LoggingConfig=logs)
def tail(name, **more):
    got = c.invoke(FunctionName=name, LogType="Tail", **more)
    return [json.loads(line) for line in base64.b64decode(got["LogResult"]).decode().splitlines()]
for tenant in "blue", "red":
    lines = tail("t", TenantId=tenant)
    told = {line["type"]: line["record"].get("tenantId") for line in lines if "type" in line}
    for kind in "platform.start", "platform.runtimeDone", "platform.report":
        assert told[kind] == tenant, lines
    assert [line["tenantId"] for line in lines if line.get("message") == "mine"] == [tenant], lines
assert "tenantId" not in json.dumps(tail("f"))
"#,
    );
}

#[test]
fn our_client_names_the_tenant() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(
        r#"
create(c, "t", "def handler(e, c):\n    return c.tenant_id\n", TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
"#,
    );
    let url = format!("http://127.0.0.1:{}", host.port);
    let invoke =
        |more: &[&str]| lambdabox(["invoke", "t", "--endpoint-url", &url]).args(more).run();
    assert_eq!(invoke(&["--tenant-id", "blue"]).answered().json(), "blue");
    invoke(&[]).expect_code(1).said(&["Add a valid tenant ID"]);
    invoke(&["--tenant-id", "a;b"]).refused(&["--tenant-id", "1 to 256"]);
}

#[test]
fn a_run_from_a_path_has_the_tenant_it_is_given() {
    let function = Function::python("def lambda_handler(e, c):\n    return c.tenant_id\n");
    let run = |more: &[&str]| invoke(&function).args(more).run().answered().json();
    assert_eq!(run(&["--tenant-id", "blue"]), "blue");
    assert_eq!(run(&[]), serde_json::Value::Null);
}
