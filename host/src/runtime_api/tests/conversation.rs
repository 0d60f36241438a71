//! What is said: paths, headers, order, refusals.

use super::client::*;
use crate::runtime_api::{Busy, Peer, Signal};

#[tokio::test]
async fn several_cycles_run_over_one_connection() {
    let mut server = Server::start();
    let mut client = server.connect().await;
    for n in 0..5 {
        let id = format!("id-{n}");
        client.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(matches!(server.signal().await, Signal::Next { .. }));
        server.api.assign(invocation(&id)).unwrap();
        let next = client.answer().await;
        assert!(matches!(server.signal().await, Signal::Handed { .. }));
        assert_eq!(next.header("Lambda-Runtime-Aws-Request-Id"), Some(id.as_str()));
        assert_eq!(next.text(), "{\"name\":\"Ada\"}");
        let headers = "Content-Type: text/x\r\n";
        let accepted = client.post(&response_path(&id), headers, b"\x00\xffbytes").await;
        assert_eq!((accepted.status, accepted.text()), (202, "{\"status\":\"OK\"}\n"));
        assert_eq!(accepted.header("content-type"), Some("application/json"));
        let Signal::Response { request_id, payload, content_type, .. } = server.signal().await
        else {
            panic!("a response");
        };
        assert_eq!((request_id.0, &payload[..]), (id, &b"\x00\xffbytes"[..]));
        assert_eq!(content_type.as_deref(), Some("text/x"));
    }
}

#[tokio::test]
async fn a_minimal_next_has_no_optional_headers_and_a_full_one_has_all() {
    const OPTIONAL: [&str; 4] = ["Trace-Id", "Client-Context", "Cognito-Identity", "Aws-Tenant-Id"];
    let mut server = Server::start();
    let mut client = server.connect().await;
    let mut minimal = invocation(ID);
    minimal.client_context = Some(String::new());
    server.api.assign(minimal).unwrap();
    let next = client.get("runtime/invocation/next").await;
    assert_eq!(next.header("Content-Type"), Some("application/json"));
    assert_eq!(next.header("Lambda-Runtime-Deadline-Ms"), Some("1700000000123"));
    assert_eq!(next.header("Lambda-Runtime-Invocation-Id").unwrap(), format!("attempt-of-{ID}"));
    assert!(next.header("Lambda-Runtime-Invoked-Function-Arn").unwrap().ends_with(":hello"));
    // Title case as on AWS, for shell loops that grep.
    assert!(next.head.contains("\r\nLambda-Runtime-Aws-Request-Id: "), "{}", next.head);
    for name in OPTIONAL {
        assert_eq!(next.header(&format!("Lambda-Runtime-{name}")), None);
    }
    client.post(&response_path(ID), "", b"").await;
    let mut full = invocation("full");
    full.trace_id = Some("Root=1-2-3;Parent=4;Sampled=1".to_owned());
    full.client_context = Some("{\n\"é\": 1}".to_owned());
    full.cognito_identity = Some("{\"cognitoIdentityId\":\"i\"}".to_owned());
    full.tenant_id = Some("blue".to_owned());
    server.api.assign(full).unwrap();
    let next = client.get("runtime/invocation/next").await;
    for name in OPTIONAL {
        assert!(next.header(&format!("Lambda-Runtime-{name}")).is_some(), "{name}");
    }
    assert_eq!(next.header("Lambda-Runtime-Client-Context"), Some("{ \"é\": 1}"));
    while !matches!(server.signal().await, Signal::Response { .. }) {}
}

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let server = Server::start();
    let mut client = server.connect().await;
    for unknown in ["", "pong", "runtime/restore/next", "runtime/invocation/a/b"] {
        let answer = client.get(unknown).await;
        assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"), "{unknown}");
    }
    let answer = client.post("runtime/restore/error", "", b"{}").await;
    assert_eq!(answer.status, 404);
    for post in ["runtime/init/error", &response_path(ID), &error_path(ID)] {
        let answer = client.get(post).await;
        assert_eq!((answer.status, answer.text()), (405, ""), "{post}");
    }
    for get in ["runtime/invocation/next", "ping"] {
        let answer = client.post(get, "", b"body").await;
        assert_eq!((answer.status, answer.text()), (405, ""), "{get}");
    }
    let pong = client.get("ping").await;
    assert_eq!((pong.status, pong.text()), (200, "pong"));
}

#[tokio::test]
async fn accept_is_ignored() {
    let server = Server::start();
    let mut client = server.connect().await;
    let headers = "Accept: application/xml\r\n";
    let answer = client.post(&response_path(ID), headers, b"{}").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let expected = "{\"errorMessage\":\"Invalid request ID\",\"errorType\":\"InvalidRequestID\"}\n";
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn the_first_answer_counts_and_later_ones_are_refused() {
    for first in [response_path(ID), error_path(ID)] {
        let mut server = Server::start();
        let mut client = server.connect().await;
        server.run(&mut client, ID).await;
        assert_eq!(client.post(&first, "", b"1").await.status, 202);
        for (second, to) in
            [(response_path(ID), "InvocationResponse"), (error_path(ID), "InvocationErrorResponse")]
        {
            let refused = client.post(&second, "", b"2").await;
            assert_eq!(
                (refused.status, refused.error_type()),
                (403, "InvalidStateTransition".into())
            );
            let text = format!(
                "State transition from RuntimeResponseSentState to {to} failed for runtime. \
                 Error: State transition is not allowed"
            );
            assert!(refused.text().contains(&text), "{}", refused.text());
        }
        match server.signal().await {
            Signal::Response { payload, .. } => assert_eq!(payload, "1"),
            Signal::Error { payload, error_type, .. } => {
                assert_eq!((&payload[..], error_type.as_str()), (&b"1"[..], "Runtime.Unknown"));
            }
            other => panic!("{other:?}"),
        }
        assert!(server.signals.try_recv().is_err(), "delivered once");
        // A stale id, once the runtime has asked for the next event.
        server.run(&mut client, "second").await;
        let stale = client.post(&first, "", b"3").await;
        assert_eq!((stale.status, stale.error_type()), (400, "InvalidRequestID".into()));
    }
}

#[tokio::test]
async fn next_twice_returns_the_same_event() {
    let mut server = Server::start();
    let mut client = server.connect().await;
    server.run(&mut client, ID).await;
    let again = client.get("runtime/invocation/next").await;
    assert_eq!(again.header("Lambda-Runtime-Aws-Request-Id"), Some(ID));
    assert!(server.signals.try_recv().is_err(), "handed out once");
}

#[tokio::test]
async fn of_two_waiting_connections_each_gets_an_invocation_of_its_own() {
    let mut server = Server::start();
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    let next = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n";
    one.send(next).await;
    two.send(next).await;
    assert!(matches!(server.signal().await, Signal::Next { .. }));
    server.api.assign(invocation("first")).unwrap();
    let (taker, waiter) = tokio::select! {
        answer = one.answer() => (answer, &mut two),
        answer = two.answer() => (answer, &mut one),
    };
    assert_eq!(taker.header("Lambda-Runtime-Aws-Request-Id"), Some("first"));
    let mut poster = server.connect().await;
    assert_eq!(poster.post(&response_path("first"), "", b"").await.status, 202);
    poster.send(next).await;
    while !matches!(server.signal().await, Signal::Next { .. }) {}
    server.api.assign(invocation("second")).unwrap();
    let second = tokio::select! {
        answer = waiter.answer() => answer,
        answer = poster.answer() => answer,
    };
    assert_eq!(second.header("Lambda-Runtime-Aws-Request-Id"), Some("second"));
}

#[tokio::test]
async fn a_client_that_hung_up_while_waiting_does_not_take_the_event() {
    let mut server = Server::start();
    let mut gone = server.connect().await;
    gone.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(matches!(server.signal().await, Signal::Next { .. }));
    drop(gone);
    let mut client = server.connect().await;
    server.api.assign(invocation(ID)).unwrap();
    let next = client.get("runtime/invocation/next").await;
    assert_eq!(next.header("Lambda-Runtime-Aws-Request-Id"), Some(ID));
}

#[tokio::test]
async fn an_expired_invocation_is_not_answered_any_more() {
    let mut server = Server::start();
    let mut client = server.connect().await;
    server.run(&mut client, ID).await;
    server.api.expire(&invocation(ID).request_id);
    let late = client.post(&response_path(ID), "", b"late").await;
    assert_eq!((late.status, late.error_type()), (400, "InvalidRequestID".into()));
    assert!(server.signals.try_recv().is_err());
}

#[tokio::test]
async fn a_body_under_way_when_time_runs_out_is_gone() {
    let mut server = Server::start();
    let mut client = server.connect().await;
    server.run(&mut client, ID).await;
    let path = response_path(ID);
    let head =
        format!("POST /2018-06-01/{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    client.send(head.as_bytes()).await;
    // Another post is refused by state only once the first one's head was seen.
    let mut other = server.connect().await;
    while other
        .post(&response_path(ID), "Lambda-Runtime-Function-Response-Mode: x\r\n", b"")
        .await
        .status
        != 403
    {}
    server.api.expire(&invocation(ID).request_id);
    client.send(b"cd").await;
    let late = client.answer().await;
    assert_eq!((late.status, late.error_type()), (410, "InvokeTimeout".into()));
    assert!(server.signals.try_recv().is_err());
}

#[tokio::test]
async fn another_attempts_answer_is_gone_and_the_right_one_still_counts() {
    let mut server = Server::start();
    let mut client = server.connect().await;
    server.run(&mut client, ID).await;
    for wrong in ["Lambda-Runtime-Invocation-Id: other\r\n", "Lambda-Runtime-Invocation-Id:\r\n"] {
        let gone = client.post(&response_path(ID), wrong, b"").await;
        assert_eq!(gone.status, 410);
        let text = "{\"errorMessage\":\"Invoke timeout\",\"errorType\":\"InvokeTimeout\"}\n";
        assert_eq!(gone.text(), text);
    }
    let right = format!("lambda-runtime-invocation-id: attempt-of-{ID}\r\n");
    assert_eq!(client.post(&response_path(ID), &right, b"").await.status, 202);
}

#[tokio::test]
async fn a_bad_response_mode_changes_nothing_and_streaming_is_collected() {
    let mut server = Server::start();
    let mut client = server.connect().await;
    server.run(&mut client, ID).await;
    for mode in ["Streaming", "buffered"] {
        let headers = format!("Lambda-Runtime-Function-Response-Mode: {mode}\r\n");
        let refused = client.post(&response_path(ID), &headers, b"x").await;
        assert_eq!(
            (refused.status, refused.error_type()),
            (400, "InvalidFunctionResponseMode".into())
        );
    }
    let headers = "Lambda-Runtime-Function-Response-Mode: streaming\r\n";
    assert_eq!(client.post(&response_path(ID), headers, b"x").await.status, 202);
    assert!(matches!(server.signal().await, Signal::Response { payload, .. } if payload == "x"));
}

#[tokio::test]
async fn an_error_carries_its_type_and_xrays_cause() {
    let mut server = Server::start();
    let mut client = server.connect().await;
    server.run(&mut client, ID).await;
    let headers = "Lambda-Runtime-Function-Error-Type: Runtime.UserException\r\n\
                   Lambda-Runtime-Function-XRay-Error-Cause: {\"message\":\"why\"}\r\n";
    let body = b"{\"errorMessage\":\"m\"}";
    assert_eq!(client.post(&error_path(ID), headers, body).await.status, 202);
    let Signal::Error { request_id, error_type, payload, xray_cause, .. } = server.signal().await
    else {
        panic!("an error");
    };
    assert_eq!((request_id.0.as_str(), error_type.as_str()), (ID, "Runtime.UserException"));
    assert_eq!(payload, &body[..]);
    assert!(String::from_utf8_lossy(&xray_cause.unwrap()).contains("why"));
}

#[tokio::test]
async fn init_error_is_taken_before_the_first_next_only() {
    let mut server = Server::start();
    let mut client = server.connect().await;
    let headers = "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\n";
    let answer = client.post("runtime/init/error", headers, b"{\"errorMessage\":\"m\"}").await;
    assert_eq!(answer.status, 202);
    let Signal::InitError { error_type, payload, .. } = server.signal().await else {
        panic!("an init error");
    };
    assert_eq!(error_type, "Runtime.ImportModuleError");
    assert_eq!(payload, "{\"errorMessage\":\"m\"}");
    let again = client.post("runtime/init/error", headers, b"{}").await;
    assert_eq!(again.status, 403);
    assert_eq!(client.get("runtime/invocation/next").await.status, 403);
    assert_eq!(server.api.assign(invocation(ID)), Err(Busy::Over { state: "InitError" }));

    let mut server = Server::start();
    let mut client = server.connect().await;
    server.run(&mut client, ID).await;
    let late = client.post("runtime/init/error", headers, b"{}").await;
    assert_eq!(late.status, 403);
    assert!(late.text().contains("State transition from Running to InitError failed"));
}

#[tokio::test]
async fn the_runtime_tells_its_name() {
    let server = Server::start();
    let mut client = server.connect().await;
    assert_eq!(server.api.runtime_release(), None);
    client.send(b"GET /2018-06-01/ping HTTP/1.1\r\nHost: a\r\nUser-Agent: r/1 x\r\nLambda-Runtime-Features: (f g)\r\n\r\n").await;
    client.answer().await;
    assert_eq!(server.api.runtime_release().as_deref(), Some("r/1 (f g)"));
}

#[tokio::test]
async fn a_peer_of_another_user_is_refused_by_name() {
    let uid = rustix::process::geteuid().as_raw();
    let own = Server::start_for(Peer::Uid { uid });
    assert_eq!(own.connect().await.get("ping").await.status, 200);
    let other = Server::start_for(Peer::Uid { uid: uid + 1 });
    let refused = other.connect().await.post("runtime/init/error", "", b"{}").await;
    assert_eq!((refused.status, refused.error_type()), (403, "ForbiddenPeer".into()));
    assert!(refused.text().contains(&format!("has uid {uid}")), "{}", refused.text());
}

#[tokio::test]
async fn closing_ends_connections_and_a_deaf_owner_is_an_internal_error() {
    let server = Server::start();
    let mut client = server.connect().await;
    assert_eq!(client.get("ping").await.status, 200);
    server.api.close();
    assert!(client.is_closed().await);

    let Server { api, signals, address } = Server::start();
    drop(signals);
    let server = Server { api, signals: tokio::sync::mpsc::channel(1).1, address };
    let mut client = server.connect().await;
    let answer = client.get("runtime/invocation/next").await;
    assert_eq!((answer.status, answer.error_type()), (500, "InternalServerError".into()));
    drop(server);
    assert!(client.is_closed().await);
}
