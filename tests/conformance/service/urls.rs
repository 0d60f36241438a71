//! Function URLs: their settings by botocore's model, and plain HTTP to them.

use super::on_a_host;

/// What every script begins with.
const PRELUDE: &str = r#"
import checked
from http.client import IncompleteRead
from streamed import *
c = client(read_timeout=120)
"#;

#[track_caller]
fn urls(script: &str) {
    on_a_host(&format!("{PRELUDE}{script}"));
}

#[test]
fn a_url_is_created_shown_changed_and_deleted_as_the_model_says() {
    urls(
        r#"
create(c, "f")
made = c.create_function_url_config(FunctionName="f", AuthType="NONE")
assert re.fullmatch(rf"http://[a-z0-9]{{32}}\.lambda-url\.us-east-1\.localhost:{PORT}/", made["FunctionUrl"]), made
assert made["FunctionArn"] == ARN + "f" and made["AuthType"] == "NONE" and "InvokeMode" not in made and "Cors" not in made
refused(c.create_function_url_config, "ResourceConflictException",
        f"Failed to create function url config for [functionArn = {ARN}f]. Error message:  "
        "FunctionUrlConfig exists for this Lambda function", 409, FunctionName="f", AuthType="NONE")
got = c.get_function_url_config(FunctionName="f")
assert got["InvokeMode"] == "BUFFERED" and got["FunctionUrl"] == made["FunctionUrl"] and got["LastModifiedTime"]
cors = {"AllowOrigins": ["https://a"], "AllowMethods": ["GET", "*"], "MaxAge": 5, "AllowCredentials": True}
changed = c.update_function_url_config(FunctionName="f", InvokeMode="RESPONSE_STREAM", Cors=cors)
assert changed["Cors"] == cors and changed["InvokeMode"] == "RESPONSE_STREAM" and changed["AuthType"] == "NONE"
assert "InvokeMode" not in c.update_function_url_config(FunctionName=ARN + "f", AuthType="AWS_IAM")
listed, = c.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]
assert listed["InvokeMode"] == "RESPONSE_STREAM" and listed["Cors"] == cors and listed["AuthType"] == "AWS_IAM"
c.delete_function_url_config(FunctionName="f")
for call in c.get_function_url_config, c.delete_function_url_config, c.update_function_url_config:
    refused(call, "ResourceNotFoundException", "The resource you requested does not exist.", 404, FunctionName="f")
assert c.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"] == []
refused(client(parameter_validation=False).list_function_url_configs, "ValidationException",
        "1 validation error detected: Value '51' at 'maxItems' failed to satisfy constraint: Member must have value "
        "less than or equal to 50", 400, FunctionName="f", MaxItems=51)
url = url_of(c)
assert url != made["FunctionUrl"]
c.delete_function(FunctionName="f")
assert visit(url)[0] == 403
create(c, "f")
refused(c.get_function_url_config, "ResourceNotFoundException", FunctionName="f")
refused(c.create_function_url_config, "ResourceNotFoundException", "Function does not exist", 404,
        FunctionName="g", AuthType="NONE")
for call in c.update_function_url_config, c.list_function_url_configs:
    refused(call, "ResourceNotFoundException", "Function does not exist", 404, FunctionName="g")
raw = client(parameter_validation=False).create_function_url_config
refused(raw, "ValidationException",
        "3 validation errors detected: Value 'ALL' at 'authType' failed to satisfy constraint: Member must satisfy "
        "enum value set: [NONE, AWS_IAM]; Value 'FAST' at 'invokeMode' failed to satisfy constraint: Member must "
        "satisfy enum value set: [BUFFERED, RESPONSE_STREAM]; Value '86401' at 'cors.maxAge' failed to satisfy "
        "constraint: Member must have value less than or equal to 86400", 400,
        FunctionName="f", AuthType="ALL", InvokeMode="FAST", Cors={"MaxAge": 86401})
refused(raw, "ValidationException",
        "1 validation error detected: Value null at 'authType' failed to satisfy constraint: Member must not be null",
        400, FunctionName="f")
for qualifier in "$LATEST", "1":
    refused(raw, "ValidationException", "1 validation error detected: Value '" + qualifier + "' at 'qualifier' failed "
            r"to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)", 400,
            FunctionName="f", AuthType="NONE", Qualifier=qualifier)
"#,
    );
}

#[test]
fn a_request_is_an_event_of_format_2_and_what_is_returned_is_its_answer() {
    urls(
        r#"
create(c, "f", "def handler(e, c):\n    e['id'] = c.aws_request_id\n    e['arn'] = c.invoked_function_arn\n    return e if e['rawPath'] != '/said' else {'statusCode': 418, 'headers': {'X-A': 'b', 'Content-Type': 'text/plain'}, 'cookies': ['a=1', 'b=2'], 'body': 'aMOp', 'isBase64Encoded': True}\n")
url = url_of(c)
status, headers, body = visit(url, "/p/%20q?k=1&k=2", "POST", '{"n":1}', {"Content-Type": "application/json", "Cookie": "x=1; y=2", "Origin": "https://page"})
event = json.loads(body)
assert status == 200 and headers["content-type"] == "application/json" and headers["x-amzn-requestid"] == event["id"]
assert headers["x-amzn-trace-id"].startswith("Root=1-") and event["headers"]["x-amzn-trace-id"] == headers["x-amzn-trace-id"]
assert event["version"] == "2.0" and event["rawPath"] == "/p/%20q" and event["rawQueryString"] == "k=1&k=2"
assert event["queryStringParameters"] == {"k": "1,2"} and event["cookies"] == ["x=1", "y=2"] and event["body"] == '{"n":1}'
context = event["requestContext"]
assert context["accountId"] == "anonymous" and context["http"]["method"] == "POST" and context["requestId"] == event["id"]
assert urlparse(url).hostname == context["domainName"] == f"{context['domainPrefix']}.lambda-url.us-east-1.localhost"
assert event["arn"] == ARN + "f"
status, headers, body = visit(url, "/said")
assert (status, body.decode(), headers["x-a"], headers["content-type"]) == (418, "hé", "b", "text/plain")
assert headers.get_all("set-cookie") == ["a=1", "b=2"]
assert json.loads(visit(url, "/", "POST", b"\xff\x00")[2])["body"] == "/wA="
assert visit(url, "/", "HEAD")[0] == 200
odd = json.loads(visit(url, "/", headers={"Cookie": "session=abc; name=\xe9", "User-Agent": "caf\xe9"})[2])
assert odd["cookies"] == ["session=abc", "name=\ufffd"], odd["cookies"]
assert odd["requestContext"]["http"]["userAgent"] == "caf\ufffd"
# Function URLs go by the whole name; the API stays closed to pages.
assert http("GET", "/2015-03-31/functions", headers={"Origin": "https://page"})[0] == 403
"#,
    );
}

#[test]
fn what_goes_wrong_has_the_services_answers() {
    urls(
        r#"
create(c, "f", "def handler(e, c):\n    raise ValueError('no')\n")
url = url_of(c)
assert visit(url)[0::2] == (502, b"Internal Server Error")
create(c, "odd", "def handler(e, c):\n    return {'statusCode': 101} if e['rawPath'] == '/101' else {'statusCode': 200, 'headers': {f'h{n}': 'x' for n in range(40000)}}\n")
odd = url_of(c, "odd")
for path in "/101", "/many":
    assert visit(odd, path)[0::2] == (502, b"Internal Server Error"), path
assert visit(url, "/", "POST", b"x" * 6_291_457)[0] == 413
c.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
assert visit(url)[0] == 429
c.delete_function_concurrency(FunctionName="f")
unknown = url.replace(urlparse(url).netloc.split(".")[0], "a" * 32)
status, headers, body = visit(unknown)
assert (status, headers["x-amzn-errortype"], body) == (403, "AccessDeniedException", b'{"Message":null}')
c.update_function_url_config(FunctionName="f", AuthType="AWS_IAM")
status, headers, body = visit(url)
assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
assert json.loads(body)["Message"].startswith("Forbidden. For troubleshooting Function URL authorization issues, see: https://docs")
"#,
    );
}

#[test]
fn cors_is_answered_for_the_function_when_it_is_set() {
    urls(
        r#"
create(c, "f", "def handler(e, c):\n    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'own'}, 'body': e['requestContext']['http']['method']}\n")
url = url_of(c)
page = {"Origin": "https://a"}
status, headers, body = visit(url, "/", "OPTIONS", headers=page)
assert body == b"OPTIONS" and headers["access-control-allow-origin"] == "own"
c.update_function_url_config(FunctionName="f", Cors={"AllowOrigins": ["https://a"], "AllowMethods": ["GET", "PUT"],
    "AllowHeaders": ["x-one"], "ExposeHeaders": ["x-two"], "MaxAge": 7, "AllowCredentials": True})
status, headers, body = visit(url, "/", "OPTIONS", headers={**page, "Access-Control-Request-Method": "PUT"})
assert status == 200 and body == b"" and headers["access-control-allow-origin"] == "https://a", headers.items()
assert headers["access-control-allow-methods"] == "GET,PUT" and headers["access-control-max-age"] == "7"
assert headers["access-control-allow-headers"] == "x-one" and headers["access-control-allow-credentials"] == "true"
status, headers, body = visit(url, headers=page)
assert body == b"GET" and headers["access-control-allow-origin"] == "https://a" and headers["access-control-expose-headers"] == "x-two"
assert "access-control-allow-origin" not in visit(url, headers={"Origin": "https://b"})[1]
# An empty one takes it away, as deploy tools do it.
assert "Cors" not in c.update_function_url_config(FunctionName="f", Cors={})
assert "Cors" not in c.get_function_url_config(FunctionName="f")
status, headers, body = visit(url, "/", "OPTIONS", headers=page)
assert body == b"OPTIONS" and headers["access-control-allow-origin"] == "own"
"#,
    );
}

#[test]
fn a_url_of_response_stream_streams_and_its_prelude_is_the_head() {
    urls(
        r#"
SOURCE = open(os.path.join(os.path.dirname(checked.__file__), "streaming.py")).read()
out = io.BytesIO()
with zipfile.ZipFile(out, "w") as archive:
    info = zipfile.ZipInfo("bootstrap")
    info.external_attr = 0o755 << 16
    archive.writestr(info, SOURCE)
create(c, "f", Runtime="provided.al2023", Code={"ZipFile": out.getvalue()})
url = url_of(c, InvokeMode="RESPONSE_STREAM")
text = {"Content-Type": "application/json"}
integration = {"Content-Type": "application/vnd.awslambda.http-integration-response"}
prelude = json.dumps({"statusCode": 201, "headers": {"X-A": "b", "Content-Type": "text/plain"}, "cookies": ["a=1", "b=2"]}) + "\0" * 8
def go(steps):
    return connected(url, "/", "POST", json.dumps(steps), text)
response = go([["begin", integration], ["data", prelude[:9]], ["data", prelude[9:] + "one"], ["pause", 2], ["data", "two"], ["end"]])
assert response.status == 201 and response.headers["x-a"] == "b" and response.headers["content-type"] == "text/plain"
assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
assert response.read(3) == b"one"
first = time.monotonic()
assert response.read() == b"two" and time.monotonic() - first > 0.2
response = go([["begin", {"Content-Type": "text/csv"}], ["data", "a,b"], ["end"]])
assert (response.status, response.headers["content-type"], response.read()) == (200, "text/csv", b"a,b")
# Half an answer must not look like a whole one.
try:
    response = go([["begin"], ["data", "half"], ["cut"]])
    raise AssertionError(response.read())
except IncompleteRead as cut:
    assert cut.partial == b"half", cut.partial
oops = {"Lambda-Runtime-Function-Error-Type": "Function.Oops"}
for steps in ([["error", "{}"]], [["begin", integration], ["data", "no prelude"], ["end"]], [["begin", integration], ["cut"]],
              [["begin"], ["cut"]], [["begin"], ["end", oops]], [["begin"], ["die"]]):
    response = go(steps)
    assert (response.status, response.read()) == (502, b"Internal Server Error"), steps
response = go([["response", '{"statusCode":202,"body":"whole"}']])
assert (response.status, response.read()) == (202, b"whole")
# The same function, asked for whole.
c.update_function_url_config(FunctionName="f", InvokeMode="BUFFERED")
response = go([["begin", integration], ["data", prelude + "one"], ["data", "two"], ["end"]])
assert (response.status, response.headers["x-a"], response.read()) == (201, "b", b"onetwo")
"#,
    );
}
