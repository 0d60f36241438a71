//! Random calls of all three APIs over several connections: no panic, only documented codes, and the
//! invariant that an invocation is answered at most once.

use std::collections::HashMap;

use super::client::*;
use crate::model::{Bandwidth, StreamTo};
use crate::runtime_api::Signal;

/// Sequences and calls in each: a second or two.
const SEEDS: u64 = 40;
const CALLS: usize = 60;
const DOCUMENTED: [u16; 9] = [200, 202, 400, 403, 404, 405, 410, 413, 431];

/// Splitmix64: small, seeded, good enough to shuffle calls.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

#[tokio::test]
async fn random_calls_get_documented_codes_and_answer_once() {
    for seed in 0..SEEDS {
        sequence(seed).await;
    }
}

async fn sequence(seed: u64) {
    let mut random = Random(seed);
    let mut server = Server::start();
    let mut answers: HashMap<String, usize> = HashMap::new();
    let mut client = server.connect().await;
    let mut last = 0_usize;
    // Of the extension that registered last.
    let mut identifier = String::new();
    for call in 0..CALLS {
        // The owner's side: assign, expire, read signals.
        let mut given = invocation(&format!("id-{}", last + 1));
        // Of some somebody wants the answer as it comes, and does not read it.
        given.stream_to = (random.below(2) == 0).then(|| StreamTo::new(Bandwidth::Unlimited).0);
        if random.below(3) == 0 && server.api.assign(given).is_ok() {
            last += 1;
        }
        if random.below(12) == 0 {
            server.api.expire(&invocation(&format!("id-{last}")).request_id);
        }
        let current = format!("id-{last}");
        let id = random.one(&[&current, &current, "id-0", "%00", "x/y", "..", ""]).to_owned();
        let runtime = |path: &str| format!("/2018-06-01/{path}");
        let (response, error) = (runtime(&response_path(&id)), runtime(&error_path(&id)));
        let path = random.one(&[
            "/2018-06-01/runtime/invocation/next",
            "/2018-06-01/runtime/invocation/next",
            &response,
            &response,
            &error,
            "/2018-06-01/runtime/init/error",
            "/2018-06-01/runtime/restore/next",
            "/2018-06-01/runtime/restore/error",
            "/2018-06-01/ping",
            "/2020-01-01/extension/register",
            "/2020-01-01/extension/event/next",
            "/2020-01-01/extension/init/error",
            "/2020-01-01/extension/exit/error",
            "/2022-07-01/telemetry",
            "/2020-08-15/logs",
            "/unknown",
        ]);
        let method =
            random.one(&["GET", "GET", "POST", "POST", "POST", "PUT", "PUT", "DELETE", "HEAD"]);
        let headers = random.one(&[
            "",
            "Content-Type: application/vnd.aws.lambda.error.cause+json\r\n",
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n",
            "Lambda-Runtime-Function-Response-Mode: \r\n",
            "Lambda-Runtime-Function-Error-Type: Function.\r\n",
            "Lambda-Runtime-Function-XRay-Error-Cause: {\"exceptions\":[{}]}\r\n",
            "Lambda-Runtime-Invocation-Id: wrong\r\n",
            "User-Agent: \r\nLambda-Runtime-Features: ((a) b\r\n",
            "Trailer: X\r\n",
            "Lambda-Extension-Name: a\r\n",
            "Lambda-Extension-Identifier: 1\r\n",
            &identifier,
            &identifier,
        ]);
        let body = random.one(&[
            "",
            "{}",
            "null",
            "\u{0}",
            "{\"errorCause\":{\"paths\":[]}}",
            "{\"events\":[\"INVOKE\"]}",
            "{\"schemaVersion\":\"2025-01-29\",\"types\":[\"platform\"],\"destination\":\
             {\"protocol\":\"HTTP\",\"URI\":\"http://sandbox:1/\"}}",
        ]);
        let framing = match random.below(4) {
            0 => format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\nX: 1\r\n\r\n",
                body.len()
            )
            .replace("\r\n0\r\n\r\n0\r\n", "\r\n0\r\n"),
            1 => format!("Content-Length: {}\r\n\r\n{body}", body.len() + 5),
            _ => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}{framing}");
        client.send(request.as_bytes()).await;
        // A next may wait for ever and a short body too: then this connection is given up.
        let answer = tokio::select! {
            answer = client.try_answer() => answer,
            () = settled(&mut server, &mut answers) => None,
        };
        match answer {
            Some(answer) => {
                assert!(
                    DOCUMENTED.contains(&answer.status),
                    "seed {seed} call {call}: {} to {request:?}",
                    answer.status
                );
                if let Some(id) = answer.header("Lambda-Extension-Identifier") {
                    identifier = format!("Lambda-Extension-Identifier: {id}\r\n");
                }
            }
            None => client = server.connect().await,
        }
        count(&mut server, &mut answers);
    }
    for (id, count) in answers {
        assert!(count <= 1, "seed {seed}: {id} was answered {count} times");
    }
}

/// Reads signals, so that nothing waits for the queue, until the server has been quiet for a while.
async fn settled(server: &mut Server, answers: &mut HashMap<String, usize>) {
    let quiet = std::time::Duration::from_millis(2);
    while let Ok(Some(signal)) = tokio::time::timeout(quiet, server.signals.recv()).await {
        tally(signal, answers);
    }
}

fn count(server: &mut Server, answers: &mut HashMap<String, usize>) {
    while let Ok(signal) = server.signals.try_recv() {
        tally(signal, answers);
    }
}

fn tally(signal: Signal, answers: &mut HashMap<String, usize>) {
    let (Signal::Response { request_id, .. }
    | Signal::Streamed { request_id, .. }
    | Signal::ResponseTooLarge { request_id, .. }
    | Signal::Error { request_id, .. }) = signal
    else {
        return;
    };
    *answers.entry(request_id.0).or_default() += 1;
}
