//! Bodies and headers at, over and short of what is allowed.

use tokio::io::AsyncWriteExt;

use super::client::*;
use crate::model::MAX_PAYLOAD_BYTES;
use crate::runtime_api::Signal;

pub(super) fn chunked(path: &str, headers: &str, chunks: &[&[u8]], end: &str) -> Vec<u8> {
    let mut request = format!(
        "POST /2018-06-01/{path} HTTP/1.1\r\nHost: a\r\n{headers}Transfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for chunk in chunks {
        request.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend(*chunk);
        request.extend(b"\r\n");
    }
    request.extend(end.as_bytes());
    request
}

async fn running() -> (Server, Client) {
    let mut server = Server::start();
    let mut client = server.connect().await;
    server.run(&mut client, ID).await;
    (server, client)
}

#[tokio::test]
async fn a_response_of_the_limit_passes_unchanged() {
    let (mut server, mut client) = running().await;
    let body: Vec<u8> = (0..MAX_PAYLOAD_BYTES).map(|at| (at % 251) as u8).collect();
    assert_eq!(client.post(&response_path(ID), "", &body).await.status, 202);
    let Signal::Response { payload, .. } = server.signal().await else { panic!("a response") };
    assert!(payload == body);
}

#[tokio::test]
async fn one_byte_more_is_413_told_to_both_and_next_works_after() {
    let (mut server, mut client) = running().await;
    let body = vec![b'x'; MAX_PAYLOAD_BYTES + 1];
    let refused = client.post(&response_path(ID), "", &body).await;
    assert_eq!((refused.status, refused.error_type()), (413, "RequestEntityTooLarge".into()));
    assert!(refused.text().contains("Exceeded maximum allowed payload size (6291556 bytes)."));
    let Signal::ResponseTooLarge { request_id, bytes, .. } = server.signal().await else {
        panic!("too large");
    };
    assert_eq!((request_id.0.as_str(), bytes), (ID, MAX_PAYLOAD_BYTES + 1));
    server.run(&mut client, "after").await;
}

#[tokio::test]
async fn a_chunked_response_over_the_limit_is_413_and_counted_whole() {
    let (mut server, mut client) = running().await;
    let megabyte = vec![b'x'; 1024 * 1024];
    let request = chunked(&response_path(ID), "", &[&megabyte[..]; 9], "0\r\n\r\n");
    client.send(&request).await;
    assert_eq!(client.answer().await.status, 413);
    let Signal::ResponseTooLarge { bytes, .. } = server.signal().await else {
        panic!("too large");
    };
    assert_eq!(bytes, 9 * 1024 * 1024);
    server.run(&mut client, "after").await;
}

#[tokio::test]
async fn a_large_body_that_is_refused_by_its_head_does_not_cost_the_answer() {
    let server = Server::start();
    let mut client = server.connect().await;
    let body = vec![b'x'; MAX_PAYLOAD_BYTES];
    assert_eq!(client.post(&response_path("unknown"), "", &body).await.status, 400);
    assert_eq!(client.post("no/such/path", "", &body).await.status, 404);
    assert_eq!(client.get("ping").await.status, 200, "the connection lives on");
}

#[tokio::test]
async fn chunks_and_trailers_are_taken_announced_or_not() {
    let announced = "Trailer: Lambda-Runtime-Function-Error-Type, \
                     Lambda-Runtime-Function-Error-Body\r\n";
    for (headers, end) in [
        (announced, "0\r\n\r\n"),
        ("", "0\r\nX-Other: 1\r\n\r\n"),
        (announced, "0\r\nLambda-Runtime-Function-Error-Type: \r\n\r\n"),
    ] {
        let (mut server, mut client) = running().await;
        client.send(&chunked(&response_path(ID), headers, &[b"ab", b"c"], end)).await;
        assert_eq!(client.answer().await.status, 202);
        let Signal::Response { payload, .. } = server.signal().await else { panic!("a response") };
        assert_eq!(payload, "abc");
        server.run(&mut client, "after").await;
    }
}

#[tokio::test]
async fn a_stream_that_ends_in_error_trailers_is_an_error() {
    for headers in ["Lambda-Runtime-Function-Response-Mode: streaming\r\n", ""] {
        let (mut server, mut client) = running().await;
        let end = "0\r\nLambda-Runtime-Function-Error-Type: Function.Oops\r\n\
                   Lambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n\r\n";
        client.send(&chunked(&response_path(ID), headers, &[b"half"], end)).await;
        assert_eq!(client.answer().await.status, 202);
        let Signal::Error { error_type, payload, .. } = server.signal().await else {
            panic!("an error");
        };
        assert_eq!((error_type.as_str(), &payload[..]), ("Function.Oops", &b"{\"e\":1}"[..]));
    }
}

#[tokio::test]
async fn a_truncated_body_is_400_and_the_invocation_can_still_be_answered() {
    let path = response_path(ID);
    let length =
        format!("POST /2018-06-01/{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nshort");
    let chunks = chunked(&path, "", &[b"short"], "");
    for request in [length.as_bytes(), &chunks] {
        let (mut server, mut client) = running().await;
        client.send(request).await;
        client.stream.shutdown().await.unwrap();
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.error_type()), (400, "TruncatedHTTPRequest".into()));
        assert!(answer.text().contains("HTTP request detected as truncated"));
        let mut client = server.connect().await;
        assert_eq!(client.post(&path, "", b"whole").await.status, 202);
        assert!(
            matches!(server.signal().await, Signal::Response { payload, .. } if payload == "whole")
        );
    }
}

#[tokio::test]
async fn a_client_that_vanishes_in_its_body_has_said_nothing() {
    let (mut server, mut client) = running().await;
    let path = response_path(ID);
    let head =
        format!("POST /2018-06-01/{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nshort");
    client.send(head.as_bytes()).await;
    client.stream.set_zero_linger().unwrap();
    drop(client);
    let mut client = server.connect().await;
    // 403 for as long as the server has not noticed.
    let path = response_path(ID);
    let status = client.post_while(&path, "", b"whole", |status| status == 403).await.status;
    assert_eq!(status, 202);
    assert!(
        matches!(server.signal().await, Signal::Response { payload, .. } if payload == "whole")
    );
}

#[tokio::test]
async fn a_truncated_stream_is_the_functions_failure() {
    let (mut server, mut client) = running().await;
    let headers = "Lambda-Runtime-Function-Response-Mode: streaming\r\n";
    client.send(&chunked(&response_path(ID), headers, &[b"half"], "")).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.answer().await.status, 400);
    let Signal::Error { error_type, .. } = server.signal().await else { panic!("an error") };
    assert_eq!(error_type, "Runtime.TruncatedResponse");
}

#[tokio::test]
async fn an_empty_body_is_an_answer() {
    let (mut server, mut client) = running().await;
    // Neither length nor encoding: there is no body.
    let path = response_path(ID);
    client.send(format!("POST /2018-06-01/{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
    assert_eq!(client.answer().await.status, 202);
    assert!(
        matches!(server.signal().await, Signal::Response { payload, .. } if payload.is_empty())
    );
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it_or_its_refusal() {
    let (mut server, mut client) = running().await;
    let head = |id: &str, length: usize| {
        format!(
            "POST /2018-06-01/{} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n",
            response_path(id)
        )
    };
    client.send(head(ID, 3).as_bytes()).await;
    assert_eq!(client.answer().await.status, 100);
    client.send(b"abc").await;
    assert_eq!(client.answer().await.status, 202);
    assert!(matches!(server.signal().await, Signal::Response { payload, .. } if payload == "abc"));
    server.run(&mut client, "second").await;
    client.send(head("second", MAX_PAYLOAD_BYTES + 1).as_bytes()).await;
    assert_eq!(client.answer().await.status, 413, "without sending the body");
    let mut client = server.connect().await;
    client.send(head("unknown", 3).as_bytes()).await;
    assert_eq!(client.answer().await.status, 400);
}

#[tokio::test]
async fn a_header_of_a_mebibyte_is_taken_and_larger_ones_are_not_held() {
    let (mut server, mut client) = running().await;
    let cause = format!("{{\"message\":\"{}\"}}", "m".repeat(1024 * 1024 - 14));
    assert_eq!(cause.len(), 1024 * 1024);
    let headers = format!("Lambda-Runtime-Function-XRay-Error-Cause: {cause}\r\n");
    assert_eq!(client.post(&error_path(ID), &headers, b"{}").await.status, 202);
    let Signal::Error { xray_cause, .. } = server.signal().await else { panic!("an error") };
    assert!(xray_cause.unwrap().len() <= 64 * 1024);
    let mut client = server.connect().await;
    let endless = format!("GET /2018-06-01/ping HTTP/1.1\r\nX: {}", "x".repeat(2 * 1024 * 1024));
    // The server may close before it has all.
    let _ = client.stream.write_all(endless.as_bytes()).await;
    assert!(client.try_answer().await.is_none_or(|answer| answer.status == 431));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (mut server, mut client) = running().await;
    let post = format!(
        "POST /2018-06-01/{} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
        response_path(ID)
    );
    let next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(format!("{post}{next}").as_bytes()).await;
    assert_eq!(client.answer().await.status, 202);
    assert!(matches!(server.signal().await, Signal::Response { .. }));
    assert!(matches!(server.signal().await, Signal::Next { .. }));
    server.api.assign(invocation("after")).unwrap();
    assert_eq!(client.answer().await.header("Lambda-Runtime-Aws-Request-Id"), Some("after"));
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_a_place() {
    let server = Server::start();
    let mut clients = Vec::new();
    for _ in 0..128 {
        let mut client = server.connect().await;
        assert_eq!(client.get("ping").await.status, 200);
        clients.push(client);
    }
    let mut waiting = server.connect().await;
    waiting.send(b"GET /2018-06-01/ping HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), waiting.answer()).await;
    assert!(early.is_err(), "all places are taken");
    clients.pop();
    assert_eq!(waiting.answer().await.status, 200);
}

/// More of them than the owner's queue has places.
#[tokio::test]
async fn any_number_of_waiting_nexts_hold_up_no_answer() {
    let mut server = Server::start();
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let mut client = server.connect().await;
        client.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(client);
    }
    assert!(matches!(server.signal().await, Signal::Next { .. }));
    let mut client = server.connect().await;
    for round in 0..3 {
        let id = format!("id-{round}");
        server.api.assign(invocation(&id)).unwrap();
        while !matches!(server.signal().await, Signal::Handed { .. }) {}
        // Whoever has it, anybody may answer.
        assert_eq!(client.post(&response_path(&id), "", b"{}").await.status, 202);
        while !matches!(server.signal().await, Signal::Response { .. }) {}
        client.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(std::mem::replace(&mut client, server.connect().await));
    }
}
