//! What is no request, and bodies that mean nothing: on each endpoint a right answer or the end of the
//! connection, and everything after it as if it had not been.

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::client::*;
use crate::runtime_api::Signal;

/// Every endpoint of the three APIs.
const ENDPOINTS: [(&str, &str); 12] = [
    ("GET", "/2018-06-01/runtime/invocation/next"),
    ("POST", "/2018-06-01/runtime/invocation/8f5c1c1e-0000-4000-8000-000000000001/response"),
    ("POST", "/2018-06-01/runtime/invocation/8f5c1c1e-0000-4000-8000-000000000001/error"),
    ("POST", "/2018-06-01/runtime/init/error"),
    ("GET", "/2018-06-01/runtime/restore/next"),
    ("POST", "/2018-06-01/runtime/restore/error"),
    ("POST", "/2020-01-01/extension/register"),
    ("GET", "/2020-01-01/extension/event/next"),
    ("POST", "/2020-01-01/extension/init/error"),
    ("POST", "/2020-01-01/extension/exit/error"),
    ("PUT", "/2022-07-01/telemetry"),
    ("PUT", "/2020-08-15/logs"),
];
/// What follows a request line and `Host`; then nothing more comes.
const MALFORMED: [&[u8]; 16] = [
    b"no colon\r\n\r\n",
    b": no name\r\n\r\n",
    b"X: a\rb\r\n\r\n",
    b"Lambda-Extension-Name: \0\r\n\r\n",
    b"Content-Length: -5\r\n\r\n",
    b"Content-Length: five\r\n\r\n",
    b"Content-Length: 99999999999999999999\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    b"Content-Length: 5\r\n\r\nab",
    b"Content-Length: 5\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"Transfer-Encoding: gzip\r\n\r\nab",
    b"X: the head never ends",
];
/// Places of connections that a server has.
const PLACES: usize = 128;

/// Sends bytes and nothing more; the answer, if there is one before the end.
async fn attempt(server: &Server, bytes: &[u8]) -> Option<Answer> {
    let mut client = server.connect().await;
    // The server may end the connection before it has all.
    let _ = client.stream.write_all(bytes).await;
    let _ = client.stream.shutdown().await;
    let answer = client.try_answer().await;
    assert!(client.is_closed().await);
    answer
}

/// Every place of the server is free but one, which this test has.
async fn nothing_is_held(server: &Server) {
    let mut clients = Vec::new();
    for _ in 1..PLACES {
        let mut client = server.connect().await;
        assert_eq!(client.get("ping").await.status, 200);
        clients.push(client);
    }
}

fn may_be(answer: Option<&Answer>, request: &[u8]) {
    let request = String::from_utf8_lossy(request);
    let Some(answer) = answer else { return };
    // A body that nobody reads spoils no `next`.
    let is_next = request.starts_with("GET /2018-06-01/runtime/invocation/next");
    let right = [400, 403, 404, 413, 431].contains(&answer.status);
    assert!(right || is_next && answer.status == 200, "{} to {request:?}", answer.status);
}

#[tokio::test]
async fn what_is_no_request_changes_nothing_on_any_endpoint() {
    for (method, path) in ENDPOINTS {
        let mut server = Server::start();
        let mut runtime = server.connect().await;
        server.run(&mut runtime, ID).await;
        for malformed in MALFORMED {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n");
            let request = [head.as_bytes(), malformed].concat();
            may_be(attempt(&server, &request).await.as_ref(), &request);
        }
        for version in ["HTTP/9.9", "HTTP/2.0", "", "HTTP/1.1 x"] {
            let request = format!("{method} {path} {version}\r\n\r\n");
            may_be(attempt(&server, request.as_bytes()).await.as_ref(), request.as_bytes());
        }
        let answer = runtime.post(&response_path(ID), "", b"{}").await;
        assert_eq!(answer.status, 202, "after {path}");
        assert!(matches!(server.signal().await, Signal::Response { .. }), "after {path}");
        server.run(&mut runtime, "after").await;
        nothing_is_held(&server).await;
    }
}

#[tokio::test]
async fn what_is_no_request_changes_nothing_before_the_first_next() {
    for (method, path) in ENDPOINTS {
        // That one would be the first next.
        if path.ends_with("invocation/next") {
            continue;
        }
        let mut server = Server::start();
        let mut runtime = server.connect().await;
        for malformed in MALFORMED {
            let named = "Lambda-Extension-Name: own\r\n";
            let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{named}");
            let request = [head.as_bytes(), malformed].concat();
            may_be(attempt(&server, &request).await.as_ref(), &request);
        }
        assert!(server.signals.try_recv().is_err(), "{path} was taken for something");
        server.run(&mut runtime, ID).await;
        assert_eq!(runtime.post(&response_path(ID), "", b"{}").await.status, 202);
    }
}

#[tokio::test]
async fn bodies_that_mean_nothing_are_refused_and_the_next_one_counts() {
    let nested = "[".repeat(100_000);
    let too_large = " ".repeat(1024 * 1024 + 1);
    let bodies = ["", "[", "null", "1", "\"\"", "[]", "{\"events\":{}", "\u{0}", &nested];
    let mut server = Server::start();
    let mut client = server.connect().await;
    let mut send = async |method: &str, path: &str, header: &str, body: &str| {
        let length = body.len();
        let head = format!(
            "{method} /{path} HTTP/1.1\r\nHost: a\r\n{header}Content-Length: {length}\r\n\r\n"
        );
        client.send(&[head.as_bytes(), body.as_bytes()].concat()).await;
        client.answer().await
    };
    let register = "2020-01-01/extension/register";
    let named = "Lambda-Extension-Name: own\r\n";
    for body in bodies {
        let refused = send("POST", register, named, body).await;
        assert_eq!((refused.status, refused.error_type().as_str()), (403, "InvalidRequestFormat"));
    }
    assert_eq!(send("POST", register, named, &too_large).await.status, 413);
    let registered = send("POST", register, named, r#"{"events":["INVOKE"]}"#).await;
    let id = registered.header("Lambda-Extension-Identifier").unwrap();
    let id = format!("Lambda-Extension-Identifier: {id}\r\n");
    for (path, error_type) in
        [("2022-07-01/telemetry", "ValidationError"), ("2020-08-15/logs", "Logs.ValidationError")]
    {
        for body in bodies {
            let refused = send("PUT", path, &id, body).await;
            assert_eq!((refused.status, refused.error_type().as_str()), (400, error_type));
            let said: Value = serde_json::from_slice(&refused.body).unwrap();
            assert!(!said["errorMessage"].as_str().unwrap().is_empty());
        }
        assert_eq!(send("PUT", path, &id, &too_large).await.status, 413);
        for wrong in ["", "Lambda-Extension-Identifier: 1\r\n"] {
            assert_eq!(send("PUT", path, wrong, "{}").await.status, 403);
        }
    }
    let asked = r#"{"schemaVersion":"2025-01-29","types":["platform"],
                    "destination":{"protocol":"HTTP","URI":"http://sandbox:8080/"}}"#;
    assert_eq!(send("PUT", "2022-07-01/telemetry", &id, asked).await.status, 200);
    // An error's body may be anything: what it is of stands in its header.
    let typed = format!("{id}Lambda-Extension-Function-Error-Type: Extension.Lost\r\n");
    assert_eq!(send("POST", "2020-01-01/extension/init/error", &typed, &nested).await.status, 202);
    assert_eq!(send("POST", "2020-01-01/extension/exit/error", &typed, "{").await.status, 403);
    let mut runtime = server.connect().await;
    server.run(&mut runtime, ID).await;
}
