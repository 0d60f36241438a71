//! Clients that take many events at once (Managed Instances): they meet in one environment.
//!
//! Not here, because their released versions cannot: AWS's client for Node.js before 4, and any for
//! Ruby. Our loops for Java, .NET and Ruby take one after another.

use serde_json::{Value, json};

use super::Guest;
use crate::harness::note_skip;

/// More than this machine has processors.
const AT_ONCE: u64 = 4;

fn meet(guest: &Guest) {
    let host = match guest.host() {
        Ok(host) => host,
        Err(reason) => return note_skip(&reason),
    };
    let many = AT_ONCE.to_string();
    let run = host
        .invoke("meet")
        .args(["--max-concurrency", &many, "--repeat", &many, "--event", &many])
        // AWS's client for Node.js makes eight threads for each processor.
        .env("LAMBDABOX_MEMORY_SIZE", "2048")
        .run()
        .answered();
    let answers: Vec<Value> =
        run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 4, "{}", run.text());
    for answer in &answers {
        assert_eq!(answer[0], json!(AT_ONCE), "{answers:?}");
        assert_eq!(answer[1], answers[0][1], "one environment: {answers:?}");
    }
    assert_eq!(run.stderr.matches("\"type\":\"platform.start\"").count(), 4, "{}", run.stderr);
    assert_eq!(run.stderr.matches("\"type\":\"platform.report\"").count(), 4, "{}", run.stderr);
}

macro_rules! meet {
    ($($name:ident = $guest:expr;)+) => { $(
        #[test]
        fn $name() {
            meet(&$guest);
        }
    )+ };
}

meet! {
    in_our_loop_for_python = Guest::managed("python", "python");
    in_awss_client_for_python = Guest::official("python", "python");
    in_our_loop_for_nodejs22 = Guest::managed("nodejs", "nodejs22.x");
    in_our_loop_for_nodejs24 = Guest::managed("nodejs", "nodejs24.x");
    in_awss_client_for_nodejs22 = Guest::official("nodejs", "nodejs22.x");
    in_awss_client_for_nodejs24 = Guest::official("nodejs", "nodejs24.x");
    in_awss_client_for_java = Guest::official("java", "java17");
    in_awss_library_for_go = Guest::native("go");
    in_awss_library_for_rust = Guest::native("rust");
}
