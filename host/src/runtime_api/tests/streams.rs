//! Answers that are passed on while they are made.

use tokio::sync::mpsc;

use super::client::*;
use super::limits::chunked;
use crate::model::{Bandwidth, Invocation, MAX_STREAM_BYTES, Piece, StreamTo};
use crate::runtime_api::Signal;

const STREAMING: &str = "Lambda-Runtime-Function-Response-Mode: streaming\r\n";
const TYPED: &str =
    "Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: text/plain\r\n";

/// A runtime that holds an invocation whose answer somebody wants to read as it comes.
async fn running(server: &mut Server, id: &str) -> (Client, mpsc::Receiver<Piece>) {
    let mut client = server.connect().await;
    let (stream_to, pieces) = StreamTo::new(Bandwidth::Unlimited);
    let invocation = Invocation { stream_to: Some(stream_to), ..invocation(id) };
    server.api.assign(invocation).unwrap();
    assert_eq!(client.get("runtime/invocation/next").await.status, 200);
    while !matches!(server.signal().await, Signal::Handed { .. }) {}
    (client, pieces)
}

async fn piece(pieces: &mut mpsc::Receiver<Piece>) -> Option<Piece> {
    tokio::time::timeout(PATIENCE, pieces.recv()).await.expect("a piece in time")
}

fn data(bytes: &'static [u8]) -> Option<Piece> {
    Some(Piece::Data(bytes.into()))
}

#[tokio::test]
async fn pieces_come_while_the_answer_is_made_and_its_end_after_them() {
    let mut server = Server::start();
    let (mut client, mut pieces) = running(&mut server, ID).await;
    client.send(&chunked(&response_path(ID), TYPED, &[], "")).await;
    let content_type = Some("text/plain".to_owned());
    assert_eq!(piece(&mut pieces).await, Some(Piece::Head { content_type }));
    client.send(b"3\r\nabc\r\n").await;
    assert_eq!(piece(&mut pieces).await, data(b"abc"));
    client.send(b"2\r\nde\r\n").await;
    assert_eq!(piece(&mut pieces).await, data(b"de"));
    assert!(server.signals.try_recv().is_err(), "it has not ended");
    client.send(b"0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 202);
    let Signal::Streamed { request_id, bytes, .. } = server.signal().await else {
        panic!("its end")
    };
    assert_eq!((request_id.0.as_str(), bytes), (ID, 5));
    server.run(&mut client, "after").await;
    assert_eq!(piece(&mut pieces).await, None);
}

/// AWS's client for Node.js does not wait for the end of a stream that its handler failed in.
#[tokio::test]
async fn a_next_before_the_end_of_a_stream_waits_for_it() {
    let ends: [&[u8]; 2] = [b"0\r\n\r\n", b"no chunk\r\n"];
    for end in ends {
        let mut server = Server::start();
        let (mut client, mut pieces) = running(&mut server, ID).await;
        client.send(&chunked(&response_path(ID), STREAMING, &[b"half"], "")).await;
        assert!(matches!(piece(&mut pieces).await, Some(Piece::Head { .. })));
        let mut early = server.connect().await;
        early.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let pause = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(pause, early.answer()).await.is_err(), "nothing to answer");
        assert!(server.signals.try_recv().is_err(), "it has not ended");
        client.send(end).await;
        client.answer().await;
        assert!(matches!(server.signal().await, Signal::Streamed { .. } | Signal::Error { .. }));
        assert!(matches!(server.signal().await, Signal::Next { .. }));
        server.api.assign(invocation("after")).unwrap();
        let next = early.answer().await;
        assert_eq!(next.header("Lambda-Runtime-Aws-Request-Id"), Some("after"));
        assert_eq!(early.post(&response_path("after"), "", b"{}").await.status, 202);
    }
}

#[tokio::test]
async fn an_error_in_the_trailers_comes_after_the_pieces() {
    let mut server = Server::start();
    let (mut client, mut pieces) = running(&mut server, ID).await;
    let end = "0\r\nLambda-Runtime-Function-Error-Type: Function.Oops\r\n\
               Lambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n\r\n";
    client.send(&chunked(&response_path(ID), STREAMING, &[b"half"], end)).await;
    assert_eq!(client.answer().await.status, 202);
    assert_eq!(piece(&mut pieces).await, Some(Piece::Head { content_type: None }));
    assert_eq!(piece(&mut pieces).await, data(b"half"));
    let Signal::Error { error_type, payload, .. } = server.signal().await else {
        panic!("an error")
    };
    assert_eq!((error_type.as_str(), &payload[..]), ("Function.Oops", &b"{\"e\":1}"[..]));
    server.run(&mut client, "after").await;
}

/// Behaviours 32 and 33: at every byte of the head of its body, and of the first chunks.
#[tokio::test]
async fn a_stream_cut_at_any_of_its_first_bytes_fails_once_and_the_next_invocation_is_fine() {
    let whole = chunked(&response_path(ID), STREAMING, &[&b"0123456789abcdef"[..]; 4], "0\r\n\r\n");
    let body = whole.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
    let mut server = Server::start();
    for cut in body..body + 64 {
        let (mut client, mut pieces) = running(&mut server, ID).await;
        client.send(&whole[..cut]).await;
        // By halves and by breaking off at once.
        if cut % 2 == 0 {
            use tokio::io::AsyncWriteExt;
            client.stream.shutdown().await.unwrap();
        }
        drop(client);
        let Signal::Error { error_type, request_id, .. } = server.signal().await else {
            panic!("cut at {cut}");
        };
        assert_eq!((error_type.as_str(), request_id.0.as_str()), ("Runtime.TruncatedResponse", ID));
        let mut client = server.connect().await;
        let late = client.post(&response_path(ID), "", b"late").await;
        assert_eq!(late.status, 403, "cut at {cut}");
        server.run(&mut client, "after").await;
        while piece(&mut pieces).await.is_some() {}
        assert_eq!(client.post(&response_path("after"), "", b"{}").await.status, 202);
        let Signal::Response { .. } = server.signal().await else { panic!("cut at {cut}") };
    }
}

#[tokio::test]
async fn of_two_runtimes_at_once_one_streams_and_the_other_is_refused() {
    let mut server = Server::start();
    let (mut first, mut pieces) = running(&mut server, ID).await;
    let mut second = server.connect().await;
    // Both have the event (1.2).
    assert_eq!(second.get("runtime/invocation/next").await.status, 200);
    first.send(&chunked(&response_path(ID), STREAMING, &[b"mine"], "")).await;
    assert!(matches!(piece(&mut pieces).await, Some(Piece::Head { .. })));
    second.send(&chunked(&response_path(ID), STREAMING, &[b"theirs"], "0\r\n\r\n")).await;
    let refused = second.answer().await;
    assert_eq!((refused.status, refused.error_type()), (403, "InvalidStateTransition".into()));
    let refused = second.post(&error_path(ID), "", b"{}").await;
    assert_eq!(refused.status, 403, "an error while the response is under way");
    first.send(b"0\r\n\r\n").await;
    assert_eq!(first.answer().await.status, 202);
    assert_eq!(piece(&mut pieces).await, data(b"mine"));
    assert!(matches!(server.signal().await, Signal::Streamed { bytes: 4, .. }));
    server.run(&mut second, "after").await;
}

#[tokio::test]
async fn a_reader_that_left_does_not_stop_the_function() {
    let mut server = Server::start();
    let (mut client, pieces) = running(&mut server, ID).await;
    drop(pieces);
    let megabyte = vec![b'x'; 1024 * 1024];
    client.send(&chunked(&response_path(ID), STREAMING, &[&megabyte[..]; 9], "0\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 202);
    let Signal::Streamed { bytes, .. } = server.signal().await else { panic!("its end") };
    assert_eq!(bytes, 9 * 1024 * 1024, "more than a whole answer may have");
}

#[tokio::test]
async fn a_slow_reader_makes_the_function_wait() {
    let mut server = Server::start();
    let (mut client, mut pieces) = running(&mut server, ID).await;
    // More than all buffers between the two together.
    let much = vec![b'x'; 64 * 1024 * 1024];
    let request = chunked(&response_path(ID), STREAMING, &[&much], "0\r\n\r\n");
    let mut sending = Box::pin(client.send(&request));
    let pause = std::time::Duration::from_millis(300);
    let taken = tokio::time::timeout(pause, &mut sending).await;
    assert!(taken.is_err(), "all of it was taken though nobody reads");
    let reading = async {
        let mut read = 0;
        while read < much.len() {
            match piece(&mut pieces).await {
                Some(Piece::Data(bytes)) => read += bytes.len(),
                Some(Piece::Head { .. }) => {}
                None => break,
            }
        }
        read
    };
    let ((), read) = tokio::join!(&mut sending, reading);
    drop(sending);
    assert_eq!(read, much.len());
    assert_eq!(client.answer().await.status, 202);
    assert!(matches!(server.signal().await, Signal::Streamed { .. }));
}

#[tokio::test]
async fn a_stream_of_the_limit_passes_and_one_byte_more_is_told_to_both() {
    let oops = "0\r\nLambda-Runtime-Function-Error-Type: Function.Oops\r\n\r\n";
    for (extra, end, status) in
        [(&b""[..], "0\r\n\r\n", 202), (b"x", "0\r\n\r\n", 413), (b"x", oops, 413)]
    {
        let mut server = Server::start();
        let (mut client, mut pieces) = running(&mut server, ID).await;
        let counting = tokio::spawn(async move {
            let mut read = 0;
            while let Some(piece) = pieces.recv().await {
                if let Piece::Data(bytes) = piece {
                    read += bytes.len();
                }
            }
            read
        });
        client.send(&chunked(&response_path(ID), STREAMING, &[], "")).await;
        let part = vec![b'x'; 8 * 1024 * 1024];
        let head = format!("{:x}\r\n", part.len());
        for _ in 0..MAX_STREAM_BYTES / part.len() {
            client.send(head.as_bytes()).await;
            client.send(&part).await;
            client.send(b"\r\n").await;
        }
        if !extra.is_empty() {
            client.send(b"1\r\nx\r\n").await;
        }
        client.send(end.as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status);
        match server.signal().await {
            Signal::Streamed { bytes, .. } => assert_eq!((bytes, status), (MAX_STREAM_BYTES, 202)),
            Signal::ResponseTooLarge { bytes, limit_bytes, .. } => {
                assert_eq!((bytes, limit_bytes), (MAX_STREAM_BYTES + 1, MAX_STREAM_BYTES));
                assert!(answer.text().contains("(209715200 bytes)"), "{}", answer.text());
            }
            // Its own error, if it has one.
            Signal::Error { error_type, .. } => {
                assert_eq!((error_type.as_str(), end), ("Function.Oops", oops));
            }
            other => panic!("{other:?}"),
        }
        server.run(&mut client, "after").await;
        assert_eq!(counting.await.unwrap(), MAX_STREAM_BYTES);
    }
}
