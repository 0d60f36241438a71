//! Network placement: loopback only, outbound by `nat`, or the host's own.

use serde_json::json;

use crate::harness::{Function, invoke, networks, no_nat};

/// Names of the interfaces inside, and whether `localhost` and the sandbox's names are loopback.
const LOOK: &str = "import os, socket
def lambda_handler(event, context):
    names = ('localhost', 'sandbox', 'sandbox.localdomain')
    return [sorted(os.listdir('/sys/class/net')) if os.path.isdir('/sys/class/net')
            else sorted(n for _, n in socket.if_nameindex()),
            [socket.gethostbyname(n) for n in names]]
";

#[test]
fn without_network_there_is_loopback_and_nothing_else() {
    let run = invoke(&Function::python(LOOK)).args(["--network", "none"]).run().answered();
    let got = run.json();
    let only = got[0].as_array().unwrap();
    // Kernels may put their own inert devices into every new namespace (sit0, tunl0 and the like).
    assert!(only.contains(&json!("lo")), "{got}");
    assert!(!only.iter().any(|n| n.as_str().unwrap().starts_with("eth")), "{got}");
    let loopback = got[1].as_array().unwrap();
    assert!(loopback.iter().all(|a| a.as_str().unwrap().starts_with("127.")), "{got}");
}

#[test]
fn nat_has_an_address_and_a_default_route_and_the_host_is_out_of_reach() {
    let function = Function::python(
        "import socket
def lambda_handler(event, context):
    routes = [line.split() for line in open('/proc/net/route')][1:]
    default = [r for r in routes if r[1] == '00000000']
    gateway = socket.inet_ntoa(bytes.fromhex(default[0][2])[::-1]) if default else None
    reached = []
    for host in [gateway] + event['hosts']:
        try:
            socket.create_connection((host, event['port']), timeout=0.5).close()
            reached.append(host)
        except OSError:
            pass
    return {'default': bool(default), 'reached': reached}
",
    );
    if let Some(reason) = no_nat() {
        skip!("{reason}");
    }
    // A host service on every address: what a careless database does.
    let server = crate::harness::Server::http("0.0.0.0:0", "leak");
    let addresses = std::process::Command::new("hostname").arg("-I").output().unwrap();
    let addresses = String::from_utf8_lossy(&addresses.stdout).into_owned();
    let hosts: Vec<&str> = addresses.split_whitespace().filter(|a| a.contains('.')).collect();
    let run = invoke(&function)
        .args(["--network", "nat", "--timeout", "30"])
        .event(json!({"hosts": hosts, "port": server.port()}).to_string())
        .run()
        .answered();
    assert_eq!(run.json(), json!({"default": true, "reached": []}));
}

#[test]
fn the_metadata_service_is_out_of_reach() {
    let function = Function::python(
        "import socket
def lambda_handler(event, context):
    try:
        socket.create_connection(('169.254.169.254', 80), timeout=0.5)
        return 'reached'
    except OSError as error:
        return 'refused'
",
    );
    for network in networks(&["none", "nat"]) {
        let run = invoke(&function).args(["--network", network]).run().answered();
        assert_eq!(run.json(), "refused", "--network {network}");
    }
}

#[test]
fn the_hosts_own_network_is_reduced_isolation_and_said_in_the_report() {
    let server = crate::harness::Server::http("127.0.0.1:0", "the host's");
    let function = Function::python(
        "import urllib.request
def lambda_handler(event, context):
    return urllib.request.urlopen(event, timeout=2).read().decode()
",
    );
    let run = invoke(&function)
        .args(["--network", "host"])
        .event(json!(format!("http://127.0.0.1:{}/", server.port())).to_string())
        .run()
        .answered();
    assert_eq!(run.json(), "the host's");
    let report = run.stderr.lines().find(|line| line.starts_with("REPORT ")).unwrap();
    assert!(report.to_lowercase().contains("isolation"), "{report}");
}

#[test]
fn on_the_hosts_network_another_process_cannot_use_the_runtime_api() {
    let function = Function::python(
        "import os, time
def lambda_handler(event, context):
    print('API', os.environ['AWS_LAMBDA_RUNTIME_API'], flush=True)
    # Time for the other to ask.
    time.sleep(3)
    return 'done'
",
    );
    let running = invoke(&function).args(["--network", "host", "--timeout", "10"]).start();
    running.wait_for_log("API ");
    let log = running.stderr_so_far();
    let address = log.lines().find_map(|line| line.strip_prefix("API ")).unwrap().trim().to_owned();
    let answer = http_get(&address, "/2018-06-01/runtime/invocation/next");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    running.wait().answered();
}

fn http_get(address: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(3))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    if let Err(cut) = stream.read_to_string(&mut answer) {
        answer.push_str(&cut.to_string());
    }
    answer
}

#[test]
fn ipv4_forwarding_is_put_back() {
    if let Some(reason) = no_nat() {
        skip!("{reason}");
    }
    let _machine = crate::harness::alone();
    let read = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let before = read();
    let function = Function::python("def lambda_handler(e, c):\n    return 1\n");
    invoke(&function).args(["--network", "nat"]).while_alone().run().answered();
    assert_eq!(read(), before);
}

#[test]
fn environments_with_nat_cannot_reach_one_another() {
    if let Some(reason) = no_nat() {
        skip!("{reason}");
    }
    let listening = Function::python(
        "import os, socket
def lambda_handler(event, context):
    way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    way.connect(('198.51.100.1', 9))
    own = way.getsockname()[0]
    server = socket.create_server((own, 9999))
    socket.create_connection((own, 9999), timeout=5).close()
    print('LISTENS', own, flush=True)
    server.accept()[0].close()
    server.settimeout(context.get_remaining_time_in_millis() / 1000 - 2)
    try:
        return ['reached by', server.accept()[1][0]]
    except TimeoutError:
        return 'alone'
",
    );
    let asking = Function::python(
        "import socket
def lambda_handler(event, context):
    try:
        socket.create_connection((event, 9999), timeout=1)
        return 'reached'
    except OSError as error:
        return 'out of reach'
",
    );
    let nat = ["--network", "nat", "--timeout"];
    let running = invoke(&listening).args(nat).args(["8"]).start();
    running.wait_for_log("LISTENS ");
    let log = running.stderr_so_far();
    let address = log.lines().find_map(|line| line.strip_prefix("LISTENS ")).unwrap().trim();
    let run = invoke(&asking).args(nat).args(["20"]).event(json!(address).to_string()).run();
    assert_eq!(run.answered().json(), "out of reach");
    assert_eq!(running.wait().answered().json(), "alone");
}
