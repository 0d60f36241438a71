//! Functions: created, shown, listed, changed, deleted.

use super::on_a_host;
use crate::harness::{Function, Host};

#[test]
fn a_function_is_created_waited_for_invoked_and_deleted() {
    on_a_host(
        r#"
made = create(c, "f", wait=False)
assert made["State"] == "Pending" and made["StateReasonCode"] == "Creating", made
assert made["StateReason"] == "The function is being created." and "LastUpdateStatus" not in made
assert made["FunctionArn"] == ARN + "f" and made["Version"] == "$LATEST"
code = zipped(ECHO)
assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
assert made["CodeSize"] == len(code)
for waiter in "function_exists", "function_active", "function_active_v2":
    c.get_waiter(waiter).wait(FunctionName="f")
shown = c.get_function(FunctionName="f")["Configuration"]
assert shown["State"] == "Active" and shown["LastUpdateStatus"] == "Successful", shown
assert "StateReason" not in shown and shown["RevisionId"] != made["RevisionId"]
assert answer(c.invoke(FunctionName="f", Payload=b'{"a": 1}')) == {"a": 1}
gone = c.delete_function(FunctionName="f")
assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
absent = f"Function not found: {ARN}f"
for call in c.get_function, c.get_function_configuration, c.delete_function:
    refused(call, "ResourceNotFoundException", absent, 404, FunctionName="f")
refused(c.invoke, "ResourceNotFoundException", absent + ":$LATEST", 404, FunctionName="f")
refused(c.get_function, "ResourceNotFoundException", absent + ":$LATEST", FunctionName="f", Qualifier="$LATEST")
"#,
    );
}

#[test]
fn what_was_set_is_shown_and_what_was_not_has_awss_default() {
    on_a_host(
        r#"
plain = create(c, "plain", Timeout=None)
assert (plain["Timeout"], plain["MemorySize"], plain["EphemeralStorage"]["Size"]) == (3, 128, 512)
assert plain["Architectures"] == ["x86_64"] and plain["PackageType"] == "Zip"
assert plain["TracingConfig"] == {"Mode": "PassThrough"} and plain["Description"] == ""
assert plain["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
assert plain["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/plain"}
for absent in "Environment", "VpcConfig", "DeadLetterConfig", "KMSKeyArn", "Layers":
    assert absent not in plain, absent
full = create(
    c, "full", Description="what it does", Timeout=7, MemorySize=256,
    EphemeralStorage={"Size": 1024}, Environment={"Variables": {"AA": "1", "BB": "two"}},
    TracingConfig={"Mode": "Active"}, LoggingConfig={"LogFormat": "JSON"},
    DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"},
    KMSKeyArn="arn:aws:kms:us-east-1:000000000000:key/k",
    VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    Architectures=["arm64"], Tags={"team": "x"}, Publish=False,
)
got = c.get_function(FunctionName="full")
shown = got["Configuration"]
assert got["Tags"] == {"team": "x"} and "Concurrency" not in got
assert (shown["Timeout"], shown["MemorySize"], shown["Description"]) == (7, 256, "what it does")
assert shown["Environment"] == {"Variables": {"AA": "1", "BB": "two"}}
assert shown["LoggingConfig"] == {
    "LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO",
    "LogGroup": "/aws/lambda/full"}
assert shown["VpcConfig"]["SubnetIds"] == ["subnet-1"]
assert shown["Architectures"] == ["arm64"]
assert c.get_function_configuration(FunctionName="full", Qualifier="$LATEST")["FunctionArn"] == ARN + "full:$LATEST"
empty = create(c, "empty", Environment={})
assert empty["Environment"] == {"Variables": {}}, empty
"#,
    );
}

#[test]
fn functions_are_listed_by_pages_of_at_most_fifty() {
    on_a_host(
        r#"
none = c.list_functions()
assert none["Functions"] == [] and "NextMarker" not in none
names = [f"f{number:02}" for number in range(53)]
for name in names:
    create(c, name, wait=False)
c.get_waiter("function_active_v2").wait(FunctionName=names[-1])
first = c.list_functions(MaxItems=10000)
assert len(first["Functions"]) == 50 and "NextMarker" in first
second = c.list_functions(Marker=first["NextMarker"])
assert [f["FunctionName"] for f in first["Functions"] + second["Functions"]] == names
assert "NextMarker" not in second
pages = list(c.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 20}))
assert [len(page["Functions"]) for page in pages] == [20, 20, 13]
for member in "State", "StateReason", "LastUpdateStatus", "RuntimeVersionConfig":
    assert member not in first["Functions"][0], member
everything = c.list_functions(FunctionVersion="ALL", MaxItems=1)["Functions"][0]
assert everything["FunctionArn"] == ARN + "f00:$LATEST"
usage = c.get_account_settings()
assert usage["AccountUsage"] == {"FunctionCount": 53, "TotalCodeSize": 53 * len(zipped(ECHO))}
assert usage["AccountLimit"]["ConcurrentExecutions"] == 1000
"#,
    );
}

#[test]
fn an_update_is_in_progress_then_successful_and_the_new_code_serves() {
    on_a_host(
        r#"
create(c, "f", "def handler(e, c):\n    return 'one'\n")
before = c.get_function_configuration(FunctionName="f")
assert answer(c.invoke(FunctionName="f")) == "one"
two = "import os\ndef handler(e, c):\n    return ['two', os.environ.get('AA'), c.memory_limit_in_mb]\n"
dry = c.update_function_code(FunctionName="f", ZipFile=zipped(two), DryRun=True)
assert dry["CodeSha256"] != before["CodeSha256"]
assert c.get_function_configuration(FunctionName="f")["RevisionId"] == before["RevisionId"]
refused(c.update_function_code, "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API "
        "to retrieve the latest Revision Id", 412,
        FunctionName="f", ZipFile=zipped(two), RevisionId="00000000-0000-0000-0000-000000000000")
changing = c.update_function_code(FunctionName="f", ZipFile=zipped(two), RevisionId=before["RevisionId"])
assert changing["LastUpdateStatus"] == "InProgress" and changing["State"] == "Active", changing
assert changing["LastUpdateStatusReasonCode"] == "Creating"
updated(c, "f")
after = c.get_function_configuration(FunctionName="f")
assert after["LastUpdateStatus"] == "Successful" and "LastUpdateStatusReason" not in after
assert len({before["RevisionId"], changing["RevisionId"], after["RevisionId"]}) == 3
assert after["LastModified"] >= before["LastModified"]
c.update_function_configuration(FunctionName="f", MemorySize=256, Environment={"Variables": {"AA": "x"}})
updated(c, "f")
assert answer(c.invoke(FunctionName="f")) == ["two", "x", "256"]
kept = c.update_function_configuration(FunctionName="f", Description="new")
assert kept["Environment"] == {"Variables": {"AA": "x"}} and kept["MemorySize"] == 256
updated(c, "f")
cleared = c.update_function_configuration(FunctionName="f", Environment={"Variables": {}},
    DeadLetterConfig={"TargetArn": ""}, KMSKeyArn="", Layers=[], VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
assert cleared["Environment"] == {"Variables": {}}
updated(c, "f")
assert answer(c.invoke(FunctionName="f"))[1] is None
"#,
    );
}

#[test]
fn the_location_of_a_function_downloads_its_package() {
    on_a_host(
        r#"
code = zipped(ECHO, **{"data.bin": os.urandom(300_000)})
create(c, "f", Code={"ZipFile": code})
got = c.get_function(FunctionName="f")["Code"]
assert got["RepositoryType"] == "S3"
with urllib.request.urlopen(got["Location"]) as response:
    assert response.read() == code and response.headers["Content-Type"] == "application/zip"
wrong = got["Location"][:-1] + ("0" if got["Location"][-1] != "0" else "1")
assert http("GET", wrong.removeprefix(URL))[0] == 403
"#,
    );
}

#[test]
fn concurrency_is_reserved_shown_and_taken_away() {
    on_a_host(
        r#"
create(c, "f")
assert "ReservedConcurrentExecutions" not in c.get_function_concurrency(FunctionName="f")
put = c.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=5)
assert put["ReservedConcurrentExecutions"] == 5
assert c.get_function_concurrency(FunctionName=ARN + "f")["ReservedConcurrentExecutions"] == 5
assert c.get_function(FunctionName="f")["Concurrency"] == {"ReservedConcurrentExecutions": 5}
assert c.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 995
refused(c.put_function_concurrency, "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100].", 400,
        FunctionName="f", ReservedConcurrentExecutions=901)
c.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
error = refused(c.invoke, "TooManyRequestsException", "Rate Exceeded.", 429, FunctionName="f")
assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded", error.response
assert error.response["Type"] == "User"
gone = c.delete_function_concurrency(FunctionName="f")
assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
assert answer(c.invoke(FunctionName="f", Payload=b"1")) == 1
refused(c.put_function_concurrency, "ResourceNotFoundException",
        f"Function not found: {ARN}nope:$LATEST", FunctionName="nope", ReservedConcurrentExecutions=1)
refused(c.put_function_concurrency, "InvalidParameterValueException",
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
        "operation. Please specify either a function name or an unqualified function ARN.",
        FunctionName="f:1", ReservedConcurrentExecutions=1)
"#,
    );
}

#[test]
fn a_directory_is_deployed_as_it_is_and_only_below_an_allowed_one() {
    let data = tempfile::tempdir().unwrap();
    let code = Function::python("def lambda_handler(e, c):\n    return 'one'\n");
    let allowed = code.path().display().to_string();
    let host = Host::start(data.path(), &["--allow-code", &allowed]);
    let handler = |text: &str| format!("def lambda_handler(e, c):\n    return '{text}'\n");
    let path = code.path().display().to_string();
    let variables = [("CODE", path.as_str())];
    host.python_with(
        r#"
code = {"S3Bucket": "hot-reload", "S3Key": os.environ["CODE"]}
create(c, "f", Handler="lambda_function.lambda_handler", Code=code)
assert answer(c.invoke(FunctionName="f")) == "one"
refused(c.update_function_code, "InvalidParameterValueException", FunctionName="f",
        S3Bucket="hot-reload", S3Key="/etc")
refused(c.update_function_code, "InvalidParameterValueException", FunctionName="f",
        S3Bucket="hot-reload", S3Key=os.environ["CODE"] + "/../..")
"#,
        &variables,
    );
    std::fs::write(code.at("lambda_function.py"), handler("two")).unwrap();
    host.python_with(
        r#"
assert answer(c.invoke(FunctionName="f")) == "one"
before = c.get_function_configuration(FunctionName="f")["CodeSha256"]
after = c.update_function_code(FunctionName="f", S3Bucket="hot-reload", S3Key=os.environ["CODE"])
assert after["CodeSha256"] != before
updated(c, "f")
assert answer(c.invoke(FunctionName="f")) == "two"
again = c.update_function_code(FunctionName="f", S3Bucket="hot-reload", S3Key=os.environ["CODE"])
assert again["CodeSha256"] == after["CodeSha256"]
"#,
        &variables,
    );
}
