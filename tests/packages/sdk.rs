//! boto3, vendored, against a stand-in for AWS on the host's loopback.

use std::process::Command;

use serde_json::json;

use super::package;
use crate::harness::{Server, e2e_venv, networks};

/// `moto_server` from the tests' virtual environment, if `scripts/test` made it.
fn moto() -> Option<Server> {
    let program = e2e_venv().join("bin/moto_server");
    if !program.exists() {
        return None;
    }
    let port = Server::free_port();
    let mut command = Command::new(program);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    Some(Server::process(command, port))
}

#[test]
fn boto3_reaches_a_stand_in_through_its_endpoint_url() {
    let Some(moto) = moto() else {
        skip!("moto_server is not installed; scripts/test installs it");
    };
    let endpoint = format!("AWS_ENDPOINT_URL=http://127.0.0.1:{}", moto.port());
    for network in networks(&["none", "nat"]) {
        let run = package("boto3", &["boto3>=1.42,<2"])
            .args(["--memory-size", "512", "--network", network, "--env", &endpoint])
            .event(json!({"bucket": format!("orders-{network}"), "text": "grüße"}).to_string())
            .run()
            .answered();
        let expected = json!({"read": "grüße", "buckets": 1, "message": "grüße", "item": "grüße",
            "account": "123456789012"});
        let mut got = run.json();
        // The second placement finds the first one's bucket.
        got["buckets"] = json!(got["buckets"].as_u64().unwrap().min(1));
        assert_eq!(got, expected);
        run.said(&[&moto.port().to_string()]);
    }
}
