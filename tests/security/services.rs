//! Services of the host and of its surroundings, reached for from `none` and from `nat`.

use std::net::{SocketAddr, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as SocketAddrUnix, UnixListener};
use std::process::Command;

use serde_json::json;

use super::attack::{Attacker, Outcome};
use crate::harness::{Function, Server, no_nat};

attacks! {
    services_of_the_host_are_out_of_reach_in_none,
    services_of_the_host_are_out_of_reach_in_nat,
    the_metadata_addresses_are_out_of_reach_in_none,
    the_metadata_addresses_are_out_of_reach_in_nat,
    abstract_sockets_of_the_host_are_out_of_reach_in_none,
    abstract_sockets_of_the_host_are_out_of_reach_in_nat,
}

/// Knocks at every address of its event by TCP and UDP, the gateway's and the loopback's added.
const KNOCK: &str = "import errno, os, socket
def lambda_handler(event, context):
    reached, answers = [], set()
    addresses = ['127.0.0.1', '127.0.0.53', '0.0.0.0', '::1', '::'] + event['addresses']
    for line in list(open('/proc/net/route'))[1:]:
        gateway = line.split()[2]
        if gateway != '00000000':
            addresses.append(socket.inet_ntoa(bytes.fromhex(gateway)[::-1]))
    for address in addresses:
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        try:
            socket.socket(family).close()
        except OSError as error:
            answers.add(errno.errorcode[error.errno])
            continue
        for port in event['ports']:
            with socket.socket(family, socket.SOCK_STREAM) as tcp:
                tcp.settimeout(0.3)
                try:
                    tcp.connect((address, port))
                    reached.append([address, port])
                except OSError as error:
                    answers.add(errno.errorcode.get(error.errno, 'timeout'))
            with socket.socket(family, socket.SOCK_DGRAM) as udp:
                udp.settimeout(0.05)
                try:
                    udp.sendto(b'knock', (address, port))
                    udp.recv(64)
                    reached.append([address, port])
                except OSError:
                    pass
    return {'reached': reached, 'answers': sorted(answers)}
";

/// Every address of this machine, its names resolved.
fn own_addresses() -> Vec<String> {
    let output = Command::new("hostname").arg("-I").output().expect("hostname runs");
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

/// Lets a function knock from one placement; what it was answered.
fn knock(by: &Attacker, network: &str, addresses: &[String], ports: &[u16]) -> Outcome {
    if let (Some(reason), "nat") = (no_nat(), network) {
        return Outcome::NotHere(reason.to_owned());
    }
    let function = Function::python(KNOCK);
    let run = by
        .invoke(&function)
        .args(["--network", network, "--timeout", "60", "--cpu", "unlimited"])
        .event(json!({"addresses": addresses, "ports": ports}).to_string())
        .run();
    if run.code() != 0 && !run.stderr.contains("START RequestId") {
        let reason = run.stderr.lines().find(|line| line.contains("rror")).unwrap_or_default();
        return Outcome::NotHere(format!("no {network} here: {reason}"));
    }
    let found = run.answered().json();
    assert_eq!(found["reached"], json!([]), "--network {network}");
    Outcome::Held(found["answers"].to_string().replace(['[', ']', '"'], ""))
}

fn services(by: &Attacker, network: &str) -> Outcome {
    // What a careless database does: listen on every address.
    let tcp = Server::http("0.0.0.0:0", "leak");
    let udp = UdpSocket::bind(SocketAddr::from(([0, 0, 0, 0], tcp.port())))
        .unwrap_or_else(|_| UdpSocket::bind("0.0.0.0:0").unwrap());
    udp.set_nonblocking(true).unwrap();
    let port = udp.local_addr().unwrap().port();
    let outcome = knock(by, network, &own_addresses(), &[tcp.port(), port]);
    let heard = udp.recv_from(&mut [0; 64]);
    assert!(heard.is_err(), "a datagram reached the host from {network}: {heard:?}");
    outcome
}

fn services_of_the_host_are_out_of_reach_in_none(by: &Attacker) -> Outcome {
    services(by, "none")
}

fn services_of_the_host_are_out_of_reach_in_nat(by: &Attacker) -> Outcome {
    services(by, "nat")
}

/// Where clouds answer with credentials (EC2 by both families, ECS, its name server).
const METADATA: [&str; 4] =
    ["169.254.169.254", "169.254.170.2", "169.254.169.253", "fd00:ec2::254"];

fn metadata(by: &Attacker, network: &str) -> Outcome {
    knock(by, network, &METADATA.map(str::to_owned), &[80, 53])
}

fn the_metadata_addresses_are_out_of_reach_in_none(by: &Attacker) -> Outcome {
    metadata(by, "none")
}

fn the_metadata_addresses_are_out_of_reach_in_nat(by: &Attacker) -> Outcome {
    metadata(by, "nat")
}

/// A socket with a name and no file, as X11 and buses have: it belongs to the network namespace, and who
/// answers there goes by the id of who calls.
fn abstract_socket(by: &Attacker, network: &str) -> Outcome {
    let name = format!("e2e-abstract-{}-{network}-{:?}", std::process::id(), by.caller);
    let address = SocketAddrUnix::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let function = Function::python(
        "import errno, socket
def lambda_handler(name, context):
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect('\\0' + name)
            return 'reached'
        except OSError as error:
            return errno.errorcode[error.errno]
",
    );
    let run = by.invoke(&function).args(["--network", network, "--timeout", "60"]);
    let run = run.event(json!(name).to_string()).run();
    if run.code() != 0 && !run.stderr.contains("START RequestId") {
        let reason = run.stderr.lines().find(|line| line.contains("rror")).unwrap_or_default();
        return Outcome::NotHere(format!("no {network} here: {reason}"));
    }
    let answer = run.answered().json();
    assert_eq!(answer, json!("ECONNREFUSED"), "--network {network}");
    assert!(listener.accept().is_err(), "a call came from {network}");
    Outcome::Held("ECONNREFUSED".to_owned())
}

fn abstract_sockets_of_the_host_are_out_of_reach_in_none(by: &Attacker) -> Outcome {
    abstract_socket(by, "none")
}

fn abstract_sockets_of_the_host_are_out_of_reach_in_nat(by: &Attacker) -> Outcome {
    abstract_socket(by, "nat")
}
