//! Requests that no client sends on purpose: each gets its status, and nobody else is disturbed.

use super::on_a_host;
use crate::harness::Host;

#[test]
fn what_is_no_operation_is_404_and_what_is_no_json_is_400() {
    on_a_host(
        r#"
status, headers, body = http("GET", "/")
assert (status, headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException"), body
assert len(headers["x-amzn-RequestId"]) == 36
assert http("PATCH", "/2015-03-31/functions")[0] == 404
assert http("GET", "/2015-03-31/functions/")[0] == 200
for body, status, kind in (
    (b"{", 400, "InvalidRequestContentException"),
    (b"[]", 400, "SerializationException"),
    (b'{"FunctionName": 5}', 400, "SerializationException"),
    (b'{"Code": {"ZipFile": "*"}, "FunctionName": "f", "Role": "' + ROLE.encode() + b'", "Runtime": "python3.11", "Handler": "a.b"}', 400, "SerializationException"),
    (b'{"Tags": {"a": 1}}', 400, "SerializationException"),
    (b"\xff\xfe", 400, "InvalidRequestContentException"),
    (b"", 400, "ValidationException"),
):
    got = http("POST", "/2015-03-31/functions", body)
    assert (got[0], got[1]["x-amzn-ErrorType"]) == (status, kind), (body, got)
got = http("PUT", "/2015-03-31/functions/f/configuration", b" " * 1_100_000)
assert got[0] == 413, got
assert http("GET", "/2015-03-31/functions/%00%ff")[0] == 400
"#,
    );
}

#[test]
fn malformed_http_and_heads_without_end_disturb_nobody() {
    on_a_host(
        r#"
import socket
def raw(data):
    s = socket.create_connection(("127.0.0.1", PORT), timeout=30)
    s.sendall(data)
    return s
def status(s):
    line = s.makefile("rb").readline()
    return int(line.split()[1]) if line else None
assert status(raw(b"\x16\x03\x01 no http\r\n\r\n")) == 400
assert status(raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n")) == 431
many = b"".join(b"X-%d: a\r\n" % n for n in range(200))
assert status(raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n")) == 431
assert status(raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n")) == 400
cut = raw(b"POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
cut.close()
waiting = [raw(b"GET / HTTP/1.1\r\nHost:") for _ in range(100)]
waiting += [raw(b"POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000000\r\n\r\n{") for _ in range(2)]
waiting += [socket.create_connection(("127.0.0.1", PORT)) for _ in range(300)]
begun = time.monotonic()
create(c, "f")
assert answer(c.invoke(FunctionName="f", Payload=b"5")) == 5
assert time.monotonic() - begun < 30
"#,
    );
}

#[test]
fn a_body_that_is_too_large_is_413_without_being_kept() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(
        r#"
c = client(parameter_validation=False)
refused(create, "RequestEntityTooLargeException",
        "Request must be smaller than 70167211 bytes for the CreateFunction operation", 413,
        c=c, name="f", wait=False, Code={"ZipFile": bytes(53_000_000)})
refused(create, "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes", 413,
        c=c, name="f", wait=False, Code={"ZipFile": bytes(52_428_801)})
assert c.list_functions()["Functions"] == []
"#,
    );
    assert_eq!(std::fs::read_dir(data.path().join("blobs")).unwrap().count(), 0);
}
