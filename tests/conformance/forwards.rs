//! Single services of the host's loopback, let in by name.

use serde_json::json;

use crate::harness::{Function, Server, invoke, networks};

/// Fetches the URLs of its event; the text of each answer or the name of the error.
const FETCH: &str = "import urllib.request
def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=2).read().decode()
    except OSError as error:
        return type(error).__name__
def lambda_handler(event, context):
    return [fetch(url) for url in event]
";

#[test]
fn a_forwarded_port_is_reachable_by_both_names_in_every_placement() {
    let server = Server::http("127.0.0.1:0", "from the host");
    let port = server.port();
    let function = Function::python(FETCH);
    let event = json!([
        format!("http://127.0.0.1:{port}/"),
        format!("http://host.docker.internal:{port}/")
    ]);
    for network in networks(&["none", "nat"]) {
        let run = invoke(&function)
            .event(event.to_string())
            .args(["--timeout", "20", "--network", network, "--forward", &port.to_string()])
            .run()
            .answered();
        assert_eq!(run.json(), json!(["from the host", "from the host"]), "--network {network}");
    }
}

#[test]
fn a_port_inside_may_differ_from_the_hosts() {
    let server = Server::http("127.0.0.1:0", "mapped");
    let forward = format!("5432:{}", server.port());
    let run = invoke(&Function::python(FETCH))
        .event(r#"["http://127.0.0.1:5432/"]"#)
        .args(["--timeout", "20", "--network", "none", "--forward", &forward])
        .run()
        .answered();
    assert_eq!(run.json(), json!(["mapped"]));
}

#[test]
fn several_ports_can_be_forwarded() {
    let (one, two) = (Server::http("127.0.0.1:0", "one"), Server::http("127.0.0.1:0", "two"));
    let urls = json!([
        format!("http://127.0.0.1:{}/", one.port()),
        format!("http://127.0.0.1:{}/", two.port())
    ]);
    let run = invoke(&Function::python(FETCH))
        .event(urls.to_string())
        .args(["--timeout", "20", "--network", "none"])
        .args(["--forward", &one.port().to_string(), "--forward", &two.port().to_string()])
        .run()
        .answered();
    assert_eq!(run.json(), json!(["one", "two"]));
}

#[test]
fn a_service_that_listens_only_on_ipv6_is_reached_too() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        skip!("no IPv6 loopback here");
    }
    let server = Server::http("[::1]:0", "six");
    let run = invoke(&Function::python(FETCH))
        .event(json!([format!("http://127.0.0.1:{}/", server.port())]).to_string())
        .args(["--timeout", "20", "--network", "none", "--forward", &server.port().to_string()])
        .run()
        .answered();
    assert_eq!(run.json(), json!(["six"]));
}

#[test]
fn without_a_forward_the_hosts_loopback_is_out_of_reach() {
    let server = Server::http("127.0.0.1:0", "leak");
    let urls = json!([format!("http://127.0.0.1:{}/", server.port())]);
    for network in networks(&["none", "nat"]) {
        let run = invoke(&Function::python(FETCH))
            .event(urls.to_string())
            .args(["--timeout", "20", "--network", network])
            .run()
            .answered();
        assert!(!run.text().contains("leak"), "--network {network}: {}", run.text());
    }
}

#[test]
fn an_endpoint_url_that_names_loopback_is_forwarded_by_itself_and_said() {
    let server = Server::http("127.0.0.1:0", "stand-in");
    let function = Function::python(
        "import os, urllib.request
def lambda_handler(event, context):
    return urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL_S3'], timeout=2).read().decode()
",
    );
    for host in ["127.0.0.1", "localhost"] {
        let variable = format!("AWS_ENDPOINT_URL_S3=http://{host}:{}", server.port());
        let run = invoke(&function)
            .args(["--timeout", "20", "--network", "none", "--env", &variable])
            .run()
            .answered();
        assert_eq!(run.json(), "stand-in");
        run.said(&[&server.port().to_string(), "forward"]);
    }
}

#[test]
fn a_forward_to_nothing_fails_for_the_function_only() {
    let port = Server::free_port();
    let run = invoke(&Function::python(FETCH))
        .event(json!([format!("http://127.0.0.1:{port}/")]).to_string())
        .args(["--timeout", "20", "--network", "none", "--forward", &port.to_string()])
        .run()
        .answered();
    let got = run.json();
    let error = got[0].as_str().unwrap();
    assert!(error.ends_with("Error") || error == "RemoteDisconnected", "{error}");
}

#[test]
fn two_environments_forward_the_same_port_at_once() {
    let server = Server::http("127.0.0.1:0", "shared");
    let port = server.port().to_string();
    let event = json!([format!("http://127.0.0.1:{port}/")]).to_string();
    let function = Function::python(FETCH);
    let start = || {
        let arguments = ["--timeout", "20", "--network", "none", "--forward", &port];
        invoke(&function).event(&event).args(arguments).start()
    };
    let (one, two) = (start(), start());
    assert_eq!(one.wait().answered().json(), json!(["shared"]));
    assert_eq!(two.wait().answered().json(), json!(["shared"]));
}

#[test]
fn a_forwarded_port_is_reachable_at_both_loopback_addresses_inside() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        skip!("this machine has no IPv6 loopback");
    }
    let server = Server::http("127.0.0.1:0", "the host's");
    let port = server.port();
    let urls = ["127.0.0.1", "[::1]", "localhost", "host.docker.internal"]
        .map(|host| format!("http://{host}:{port}/"));
    let run = invoke(&Function::python(FETCH))
        .args(["--timeout", "20", "--network", "none", "--forward", &port.to_string()])
        .event(json!(urls).to_string())
        .run()
        .answered();
    assert_eq!(run.json(), json!(["the host's", "the host's", "the host's", "the host's"]));
}

#[test]
fn a_refused_connection_is_followed_by_the_flag_that_lets_a_service_in() {
    let function = Function::python(
        "import socket
def lambda_handler(event, context):
    socket.create_connection(('127.0.0.1', 5432), timeout=2)
",
    );
    let run = invoke(&function).args(["--network", "none"]).run();
    run.failed_with("ConnectionRefusedError").said(&["--forward"]);
}
