//! SnapStart's part of the Runtime API over a socket.

use serde_json::Value;

use super::client::*;
use crate::runtime_api::{ServedCredentials, Signal, Waiting};

fn keys() -> ServedCredentials {
    let key = |name, value: &str| (name, value.to_owned());
    ServedCredentials::of(&[
        key("AWS_ACCESS_KEY_ID", "AK"),
        key("AWS_SECRET_ACCESS_KEY", "SK"),
        key("AWS_SESSION_TOKEN", "ST"),
    ])
}

#[tokio::test]
async fn restore_next_waits_until_it_is_restored_and_the_next_event_ends_the_restore() {
    let mut server = Server::snapshot(None);
    let mut client = server.connect().await;
    client.send(get("runtime/restore/next").as_bytes()).await;
    let Signal::RestoreReady { extensions: Waiting::All, .. } = server.signal().await else {
        panic!("it is told")
    };
    let mut other = server.connect().await;
    let refused = other.get("runtime/invocation/next").await;
    assert_eq!((refused.status, refused.error_type()), (403, "InvalidStateTransition".to_owned()));
    server.api.restored();
    let restored = client.answer().await;
    assert_eq!((restored.status, restored.text()), (200, ""));
    client.send(get("runtime/invocation/next").as_bytes()).await;
    assert!(matches!(server.signal().await, Signal::Next { .. }));
    let again = other.get("runtime/restore/next").await;
    assert_eq!(again.status, 403);
}

#[tokio::test]
async fn an_error_while_restoring_is_taken_once_whichever_path_it_takes() {
    for path in ["runtime/restore/error", "runtime/init/error"] {
        let mut server = Server::snapshot(None);
        let mut client = server.connect().await;
        let headers = "Lambda-Runtime-Function-Error-Type: Runtime.AfterRestoreError\r\n";
        let early = client.post("runtime/restore/error", headers, b"{}").await;
        assert_eq!(early.status, 403, "nothing is restored yet");
        client.send(get("runtime/restore/next").as_bytes()).await;
        assert!(matches!(server.signal().await, Signal::RestoreReady { .. }));
        server.api.restored();
        client.answer().await;
        let taken = client.post(path, headers, b"{\"errorMessage\":\"no\"}").await;
        assert_eq!((taken.status, taken.text()), (202, "{\"status\":\"OK\"}\n"));
        let Signal::InitError { error_type, payload, .. } = server.signal().await else {
            panic!("it is told")
        };
        assert_eq!(error_type, "Runtime.AfterRestoreError");
        assert_eq!(payload, "{\"errorMessage\":\"no\"}");
        let again = client.post(path, headers, b"{}").await;
        assert_eq!(again.status, 403);
        assert!(again.text().contains("RuntimeRestoreErrorState"), "{}", again.text());
        // No event follows.
        assert_eq!(client.get("runtime/invocation/next").await.status, 403);
    }
}

#[tokio::test]
async fn keys_are_for_who_has_the_token() {
    let served = keys();
    let token = served.token.clone();
    let server = Server::snapshot(Some(served));
    let mut client = server.connect().await;
    let mut ask = async |header: &str, method: &str| {
        let request =
            format!("{method} /2021-04-23/credentials HTTP/1.1\r\nHost: a\r\n{header}\r\n");
        client.send(request.as_bytes()).await;
        client.answer().await
    };
    let answer = ask(&format!("Authorization: {token}\r\n"), "GET").await;
    assert_eq!(answer.status, 200);
    let keys: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(keys["AccessKeyId"], "AK");
    assert_eq!((&keys["SecretAccessKey"], &keys["Token"]), (&"SK".into(), &"ST".into()));
    let until: jiff::Timestamp = keys["Expiration"].as_str().unwrap().parse().unwrap();
    assert!(until > jiff::Timestamp::now());
    for wrong in ["", "Authorization: \r\n", "Authorization: other\r\n"] {
        let answer = ask(wrong, "GET").await;
        let text = "cannot get credentials for the provided token\n";
        assert_eq!((answer.status, answer.text()), (404, text), "{wrong}");
    }
    assert_eq!(ask("", "PUT").await.status, 405);
}

#[tokio::test]
async fn without_snapshots_there_are_no_keys_to_be_had() {
    let server = Server::start();
    let mut client = server.connect().await;
    client.send(b"GET /2021-04-23/credentials HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"));
}

fn get(path: &str) -> String {
    format!("GET /2018-06-01/{path} HTTP/1.1\r\nHost: a\r\n\r\n")
}
