//! Who may call: programs of this machine, and no web page.

use super::on_a_host;
use crate::harness::{Host, lambdabox};

#[test]
fn web_pages_and_foreign_hosts_are_403_and_make_nothing() {
    on_a_host(
        r#"
create(c, "f")
path = "/2015-03-31/functions"
for headers in (
    {"Origin": "https://example.com"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Host": "example.com"},
    {"Host": "10.0.0.1:9000"},
):
    for method, body in (("GET", None), ("POST", b"{}"), ("OPTIONS", None)):
        status, answered, text = http(method, path, body, headers)
        assert (status, answered["x-amzn-ErrorType"]) == (403, "AccessDeniedException"), (headers, text)
        assert "Access-Control-Allow-Origin" not in answered
    assert http("POST", path + "/f/invocations", b"{}", headers)[0] == 403
for host in f"localhost:{PORT}", f"127.0.0.1:{PORT}", "[::1]", "lambda.localhost":
    assert http("GET", path, None, {"Host": host})[0] == 200, host
"#,
    );
}

#[test]
fn an_origin_that_was_named_may_call() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &["--allow-origin", "http://localhost:3000"]);
    host.python(
        r#"
origin = {"Origin": "http://localhost:3000"}
path = "/2015-03-31/functions"
status, headers, _ = http("GET", path, None, origin)
assert (status, headers["Access-Control-Allow-Origin"]) == (200, "http://localhost:3000")
status, headers, _ = http("OPTIONS", path, None, origin)
assert status == 204 and "authorization" in headers["Access-Control-Allow-Headers"]
assert http("GET", path, None, {"Origin": "http://localhost:3001"})[0] == 403
"#,
    );
}

#[test]
fn an_address_that_others_could_reach_is_refused() {
    for address in ["0.0.0.0:9000", "[::]:9000", "192.0.2.1:9000"] {
        for flag in ["--listen", "--admin"] {
            let run = lambdabox(["serve", flag, address]).run();
            run.refused(&["other machines could reach", "signatures are not verified yet"]);
        }
    }
}
