//! The Extensions API over a socket: answers byte for byte, and what the owner is told.

use serde_json::{Value, json};

use super::client::*;
use crate::model::{LifecycleEvent, Place, ShutdownReason};
use crate::runtime_api::{Extending, ExtensionSignal, Signal, Waiting};

fn external() -> Server {
    Server::extended(Extending::Enabled {
        external: &["ext".to_owned(), "other".to_owned()],
        sockets: None,
    })
}

/// One call of the Extensions API.
async fn call(client: &mut Client, what: &str, headers: &str, body: &str) -> Answer {
    let method = if what == "event/next" { "GET" } else { "POST" };
    client.send(request(method, what, headers, body).as_bytes()).await;
    client.answer().await
}

fn request(method: &str, what: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} /2020-01-01/extension/{what} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {}\
         \r\n\r\n{body}",
        body.len()
    )
}

async fn register(client: &mut Client, name: &str, events: &str) -> Answer {
    let headers = format!("Lambda-Extension-Name: {name}\r\n");
    call(client, "register", &headers, &format!("{{\"events\":{events}}}")).await
}

/// The header that names a registered extension.
fn identified(registered: &Answer) -> String {
    let id = registered.header("Lambda-Extension-Identifier").expect("an identifier");
    format!("Lambda-Extension-Identifier: {id}\r\n")
}

fn refused(answer: &Answer) -> (u16, String, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    (answer.status, text("errorType"), text("errorMessage"))
}

async fn signal(server: &mut Server) -> ExtensionSignal {
    match server.signal().await {
        Signal::Extension(signal) => signal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn registration_answers_the_functions_facts_and_the_account_when_asked() {
    let mut server = external();
    let mut client = server.connect().await;
    let answer = register(&mut client, "ext", r#"["SHUTDOWN","INVOKE"]"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.head.contains("\r\nLambda-Extension-Identifier: "), "{}", answer.head);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let expected =
        json!({"functionName":"hello","functionVersion":"$LATEST","handler":"app.handler"});
    assert_eq!(body, expected);
    let ExtensionSignal::Registered { name, place, events, .. } = signal(&mut server).await else {
        panic!("it registered")
    };
    assert_eq!((name.as_str(), place), ("ext", Place::External));
    assert_eq!(events, [LifecycleEvent::Invoke, LifecycleEvent::Shutdown]);
    let headers = "Lambda-Extension-Name: in\r\nLambda-Extension-Accept-Feature: x, accountId\r\n";
    let answer = call(&mut client, "register", headers, "{}").await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["accountId"], "000000000000");
}

#[tokio::test]
async fn registrations_are_refused_in_awss_words_and_may_be_tried_again() {
    let server = external();
    let mut client = server.connect().await;
    let cases = [
        ("", "{}", "Extension.InvalidExtensionName", "Empty extension name"),
        ("ext", r#"{"events":["X"]}"#, "Extension.InvalidEventType", "X: ErrorInvalidEventType"),
        (
            "in",
            r#"{"events":["SHUTDOWN"]}"#,
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
        ),
        (
            "ext",
            r#"{"configurationKeys":["k"]}"#,
            "InvalidRequestFormat",
            "configurationKeys are deprecated; use environment variables instead",
        ),
    ];
    for (name, body, error_type, message) in cases {
        let headers = match name {
            "" => String::new(),
            name => format!("Lambda-Extension-Name: {name}\r\n"),
        };
        let answer = call(&mut client, "register", &headers, body).await;
        assert_eq!(refused(&answer), (403, error_type.to_owned(), message.to_owned()));
    }
    let answer = call(&mut client, "register", "Lambda-Extension-Name: ext\r\n", "[").await;
    assert_eq!(refused(&answer).1, "InvalidRequestFormat");
    assert_eq!(register(&mut client, "ext", "null").await.status, 200);
    let again = refused(&register(&mut client, "ext", "null").await);
    let text = "State transition from Registered to Registered failed for extension ext. \
                Error: State transition is not allowed";
    assert_eq!(again, (403, "Extension.InvalidExtensionState".to_owned(), text.to_owned()));
}

#[tokio::test]
async fn an_eleventh_extension_a_taken_name_and_a_late_one_are_refused() {
    let server = external();
    let mut client = server.connect().await;
    for n in 0..8 {
        assert_eq!(register(&mut client, &format!("in-{n}"), "[]").await.status, 200);
    }
    let eleventh = refused(&register(&mut client, "more", "[]").await);
    let words = ("Extension.TooManyExtensions", "Extension limit (10) reached");
    assert_eq!(eleventh, (403, words.0.to_owned(), words.1.to_owned()));
    let mut server = Server::start();
    let mut client = server.connect().await;
    register(&mut client, "in", "[]").await;
    let taken = refused(&register(&mut client, "in", "[]").await);
    assert_eq!(taken.2, "Extension with this name already registered");
    let mut runtime = server.connect().await;
    runtime.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    while !matches!(server.signal().await, Signal::Next { extensions: Waiting::Some, .. }) {}
    let late = refused(&register(&mut client, "late", "[]").await);
    let words = ("Extension.RegistrationClosed", "Extension registration closed already");
    assert_eq!(late, (403, words.0.to_owned(), words.1.to_owned()));
}

#[tokio::test]
async fn identifiers_are_checked_the_same_way_by_each_call() {
    let server = external();
    let mut client = server.connect().await;
    let unknown = "8f5c1c1e-0000-4000-8000-000000000009";
    let error = "Lambda-Extension-Function-Error-Type: T\r\n";
    for what in ["event/next", "init/error", "exit/error"] {
        let said = refused(&call(&mut client, what, error, "").await);
        assert_eq!(said.1, "Extension.MissingExtensionIdentifier", "{what}");
        assert_eq!(said.2, "Missing Lambda-Extension-Identifier header", "{what}");
        let headers = format!("{error}Lambda-Extension-Identifier: x\r\n");
        let said = refused(&call(&mut client, what, &headers, "").await);
        assert_eq!(said.1, "Extension.InvalidExtensionIdentifier", "{what}");
        assert_eq!(said.2, "Invalid Lambda-Extension-Identifier", "{what}");
        let headers = format!("{error}Lambda-Extension-Identifier: {unknown}\r\n");
        let said = refused(&call(&mut client, what, &headers, "").await);
        assert_eq!(said.1, "Extension.UnknownExtensionIdentifier", "{what}");
        let words = match what {
            "event/next" => format!("Unknown extension {unknown}"),
            _ => "Unknown Lambda-Extension-Identifier".to_owned(),
        };
        assert_eq!(said.2, words, "{what}");
    }
}

#[tokio::test]
async fn an_invocation_releases_runtime_and_subscribers_and_ends_when_all_wait_again() {
    let mut server =
        Server::extended(Extending::Enabled { external: &["ext".to_owned()], sockets: None });
    let mut extension = server.connect().await;
    let id = identified(&register(&mut extension, "ext", r#"["INVOKE"]"#).await);
    let mut idle = server.connect().await;
    let idle_id = identified(&register(&mut idle, "in", "[]").await);
    let mut runtime = server.connect().await;
    runtime.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    while !matches!(server.signal().await, Signal::Next { extensions: Waiting::Some, .. }) {}
    idle.send(request("GET", "event/next", &idle_id, "").as_bytes()).await;
    let waiting = |signal: &ExtensionSignal, all| matches!(signal, ExtensionSignal::Waiting { extensions, .. } if *extensions == all);
    assert!(waiting(&signal(&mut server).await, Waiting::Some));
    extension.send(request("GET", "event/next", &id, "").as_bytes()).await;
    assert!(waiting(&signal(&mut server).await, Waiting::All));
    for trace in [None, Some("Root=1-2-3;Parent=4;Sampled=1".to_owned())] {
        let mut invocation = invocation(ID);
        invocation.trace_id.clone_from(&trace);
        server.api.assign(invocation).unwrap();
        assert_eq!(runtime.answer().await.status, 200);
        let event = extension.answer().await;
        assert!(event.header("Lambda-Extension-Event-Identifier").is_some());
        let mut expected = json!({
            "eventType": "INVOKE",
            "deadlineMs": 1_700_000_000_123_u64,
            "requestId": ID,
            "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
        });
        if let Some(value) = trace {
            expected["tracing"] = json!({"type": "X-Amzn-Trace-Id", "value": value});
        }
        assert_eq!(serde_json::from_slice::<Value>(&event.body).unwrap(), expected);
        runtime.post(&response_path(ID), "", b"1").await;
        runtime.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        while !matches!(server.signal().await, Signal::Next { extensions: Waiting::Some, .. }) {}
        extension.send(request("GET", "event/next", &id, "").as_bytes()).await;
        assert!(waiting(&signal(&mut server).await, Waiting::All));
    }
    // Only those are told of the end that asked for it: nobody here.
    server.api.shut_down_extensions(ShutdownReason::Spindown, 7);
    assert_eq!(call(&mut server.connect().await, "event/next", "", "").await.status, 403);
}

#[tokio::test]
async fn a_shutdown_has_reason_and_deadline_and_no_identifier() {
    let server =
        Server::extended(Extending::Enabled { external: &["ext".to_owned()], sockets: None });
    let mut extension = server.connect().await;
    let id = identified(&register(&mut extension, "ext", r#"["SHUTDOWN"]"#).await);
    for reason in [ShutdownReason::Spindown, ShutdownReason::Timeout, ShutdownReason::Failure] {
        server.api.shut_down_extensions(reason, 1_676_051_931_000);
        let event = call(&mut extension, "event/next", &id, "").await;
        assert_eq!(event.header("Lambda-Extension-Event-Identifier"), None);
        let expected = json!({
            "eventType": "SHUTDOWN",
            "deadlineMs": 1_676_051_931_000_u64,
            "shutdownReason": reason.as_str(),
        });
        assert_eq!(serde_json::from_slice::<Value>(&event.body).unwrap(), expected);
    }
}

#[tokio::test]
async fn errors_are_reported_once_and_need_their_header() {
    let mut server = external();
    let mut client = server.connect().await;
    let id = identified(&register(&mut client, "ext", "[]").await);
    let said = refused(&call(&mut client, "init/error", &id, "{}").await);
    let words = ("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found");
    assert_eq!(said, (403, words.0.to_owned(), words.1.to_owned()));
    signal(&mut server).await;
    let headers = format!("{id}Lambda-Extension-Function-Error-Type: Extension.NoConfig\r\n");
    let body = r#"{"errorMessage":"no key","errorType":"x"}"#;
    for _ in 0..2 {
        let answer = call(&mut client, "init/error", &headers, body).await;
        assert_eq!((answer.status, answer.text()), (202, "{\"status\":\"OK\"}\n"));
    }
    let ExtensionSignal::Failed { error_type, message, .. } = signal(&mut server).await else {
        panic!("it failed")
    };
    assert_eq!((error_type.as_str(), message.as_deref()), ("Extension.NoConfig", Some("no key")));
    let said = refused(&call(&mut client, "event/next", &id, "").await);
    assert_eq!(said.1, "Extension.InvalidExtensionState");
    assert!(said.2.starts_with("State transition from InitError to Ready failed"), "{}", said.2);
    let said = refused(&call(&mut client, "exit/error", &headers, "").await);
    assert!(said.2.starts_with("State transition from InitError to Exited failed"), "{}", said.2);
}

#[tokio::test]
async fn paths_methods_and_sizes_are_checked() {
    let server = external();
    let mut client = server.connect().await;
    for (method, what) in [("GET", "register"), ("POST", "event/next"), ("PUT", "exit/error")] {
        client.send(request(method, what, "", "").as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text()), (405, ""), "{method} {what}");
    }
    let long = " ".repeat(1024 * 1024 + 1);
    let answer = call(&mut client, "register", "Lambda-Extension-Name: ext\r\n", &long).await;
    assert_eq!(refused(&answer).0, 413);
    assert_eq!(register(&mut client, "ext", "[]").await.status, 200, "the connection goes on");
    let server = Server::extended(Extending::Disabled);
    let mut client = server.connect().await;
    for what in ["register", "event/next", "init/error", "exit/error"] {
        let answer = call(&mut client, what, "", "").await;
        assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"), "{what}");
    }
}
