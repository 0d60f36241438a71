//! `nat` without root: a user's slirp4netns, and the rules in the environment's own namespace.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lambdabox_bootstrap::firewall;
use nix::sys::socket::{setsockopt, sockopt};

use super::lab::{HOST, HOST_OTHER, Lab, METADATA, OUTSIDE};
use crate::sandbox::network::{Slirp, SlirpWire, resolver};

/// A process of an ordinary user that holds a user namespace and a network namespace of its own.
struct Holder(Child);

impl Holder {
    /// `name` becomes the network namespace's name in the lab.
    fn make(lab: &mut Lab, name: &str) -> Self {
        const USER: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        const UNSHARE: [&str; 5] =
            ["unshare", "--user", "--map-user=993", "--map-group=990", "--net"];
        let mut command = Command::new("setpriv");
        // It says that it is there, and stays until its input ends, which is with us.
        command.args(USER).args(UNSHARE).args(["sh", "-c", "echo there; exec cat"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut there = [0; 6];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut there).unwrap();
        lab.attach(name, child.id());
        Self(child)
    }

    fn namespace(&self, kind: &str) -> OwnedFd {
        File::open(format!("/proc/{}/ns/{kind}", self.0.id())).unwrap().into()
    }

    async fn attach(&self, slirp: &Slirp) -> SlirpWire {
        slirp.attach(self.namespace("net"), self.namespace("user")).await.unwrap()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // A panic is already telling more.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A lab with the means for slirp4netns.
fn build() -> Option<(Lab, Slirp)> {
    let lab = Lab::build()?;
    let means = match Slirp::probe() {
        Ok(means) => means,
        Err(missing) => {
            println!("SKIP: {missing}; {}", missing.remedy());
            return None;
        }
    };
    let slirp = lab.inside("host", || Slirp::open(means, 5).unwrap());
    Some((lab, slirp))
}

/// As the environment's init does it, in the namespace, with what was listed on the host.
fn confine(lab: &Lab, slirp: &Slirp, name: &str) {
    let blocked = lab.inside("host", || slirp.blocked().unwrap());
    lab.inside(name, || firewall::confine(slirp.name_server(), &blocked).unwrap());
}

#[test]
fn a_users_environment_reaches_outside_and_after_the_rules_nothing_of_the_host() {
    let Some((mut lab, slirp)) = build() else { return };
    let user = Holder::make(&mut lab, "a");
    // Both make more than the addresses of interfaces the host's own.
    lab.ip("host", "addr add 10.60.0.1/24 dev lo");
    lab.ip("host", "route add local 10.50.0.0/16 dev lo");
    lab.as_host(async || {
        let wire = user.attach(&slirp).await;
        assert_eq!(wire.address, Ipv4Addr::new(247, 1, 64, 100));
        assert_eq!(lab.ask("a", OUTSIDE, 80).unwrap(), HOST.to_string());
        let forbidden = [
            (HOST, 8080),
            (HOST_OTHER, 8080),
            (Ipv4Addr::new(10, 79, 0, 2), 8080),
            (Ipv4Addr::new(10, 60, 0, 77), 8080),
            (Ipv4Addr::new(10, 50, 3, 3), 8080),
            (METADATA, 80),
        ];
        for (address, port) in forbidden {
            lab.ask("a", address, port).expect("slirp4netns itself lets this through");
        }
        confine(&lab, &slirp, "a");
        for (address, port) in forbidden {
            lab.assert_unreachable("a", address, port);
            lab.assert_unreachable_on_device("a", "eth0", address, port);
        }
        // The aliases of slirp4netns: gateway, which stands for the host's loopback, and names.
        for alias in [2, 3] {
            lab.assert_unreachable("a", Ipv4Addr::new(247, 1, 64, alias), 8080);
        }
        assert_eq!(lab.ask("a", OUTSIDE, 80).unwrap(), HOST.to_string(), "the rest still passes");
        lab.serve("a", 9001);
        lab.ask("a", Ipv4Addr::LOCALHOST, 9001).expect("its own loopback is left alone");
        drop(wire);
        slirp.close().await;
    });
}

#[test]
fn environments_of_a_user_cannot_reach_one_another() {
    let Some((mut lab, slirp)) = build() else { return };
    let (one, two) = (Holder::make(&mut lab, "a"), Holder::make(&mut lab, "b"));
    lab.serve("b", 9001);
    lab.as_host(async || {
        let (a, b) = (one.attach(&slirp).await, two.attach(&slirp).await);
        assert_eq!(a.address, b.address, "each namespace is a world of its own");
        lab.ask("b", b.address, 9001).expect("it does listen");
        lab.assert_unreachable("a", b.address, 9001);
        lab.ask("a", OUTSIDE, 80).unwrap();
        lab.ask("b", OUTSIDE, 80).unwrap();
        drop((a, b));
    });
}

#[test]
fn a_users_environment_has_names_and_no_multicast_of_the_host() {
    let Some((mut lab, slirp)) = build() else { return };
    let host_file = std::fs::read_to_string("/etc/resolv.conf").unwrap();
    let Some(server) = resolver::nameservers(&host_file).into_iter().find(|s| s.is_ipv4()) else {
        println!("SKIP: this machine's resolv.conf names no IPv4 nameserver");
        return;
    };
    // slirp4netns reads the machine's own file: its nameserver is made to be in the lab.
    let answers = if server.is_loopback() { "host" } else { "outside" };
    if !server.is_loopback() {
        lab.ip("outside", &format!("addr add {server}/32 dev lo"));
    }
    let stub = lab.inside(answers, || UdpSocket::bind((server, 53)).unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = stub.recv_from(&mut buffer) {
            buffer[length] = b'!';
            stub.send_to(&buffer[..=length], client).unwrap();
        }
    });
    let group = Ipv4Addr::new(224, 0, 0, 251);
    let heard = lab.inside("host", || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5353)).unwrap();
        socket.join_multicast_v4(&group, &HOST).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        socket
    });
    let user = Holder::make(&mut lab, "a");
    lab.as_host(async || {
        let wire = user.attach(&slirp).await;
        let shout = || {
            lab.inside("a", || {
                let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                setsockopt(&socket, sockopt::BindToDevice, &"eth0".into()).unwrap();
                socket.send_to(b"anybody?", (group, 5353))
            })
        };
        shout().unwrap();
        let before = heard.recv_from(&mut [0; 16]);
        confine(&lab, &slirp, "a");
        // The kernel may say so to the sender, or drop it silently.
        drop(shout());
        heard.recv_from(&mut [0; 16]).expect_err("the host heard it");
        if before.is_err() {
            println!("note: this slirp4netns passes no multicast on by itself");
        }

        let answer = lab.inside("a", || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.send_to(b"\x00\x07name", (slirp.name_server(), 53)).unwrap();
            let mut buffer = [0; 16];
            let length = socket.recv(&mut buffer).unwrap();
            buffer[..length].to_vec()
        });
        assert_eq!(answer, b"\x00\x07name!");
        drop(wire);
    });
}

#[test]
fn slirp4netns_ends_with_its_guard_and_with_the_process_that_held_it() {
    let Some((mut lab, slirp)) = build() else { return };
    let user = Holder::make(&mut lab, "a");
    lab.as_host(async || {
        let lives = |pid: u32| Path::new(&format!("/proc/{pid}")).exists();
        // What the kernel does for a process that was killed: it closes the pipe, and nothing else.
        let wire = user.attach(&slirp).await;
        let pid = wire.pid.unwrap();
        assert!(lives(pid));
        let minded = wire.closed_by_the_kernel();
        let deadline = Instant::now() + Duration::from_secs(30);
        while lives(pid) {
            assert!(Instant::now() < deadline, "it lives on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(minded);
        lab.assert_unreachable("a", OUTSIDE, 80);

        let wire = user.attach(&slirp).await;
        let pid = wire.pid.unwrap();
        assert!(lives(pid));
        drop(wire);
        slirp.close().await;
        assert!(!lives(pid), "ended and waited for");
    });
}

#[test]
fn what_slirp4netns_says_when_it_fails_is_the_error() {
    let Some((lab, slirp)) = build() else { return };
    lab.as_host(async || {
        let file = || OwnedFd::from(File::open("/dev/null").unwrap());
        let error = slirp.attach(file(), file()).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("slirp4netns") && said.contains("setns"), "{said}");
    });
}

#[test]
fn rules_stand_for_as_many_addresses_as_a_busy_host_has() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    let many: Vec<firewall::Network> = (0..1_500)
        .map(|n| firewall::Network { address: Ipv4Addr::from_bits(0x0a00_0000 + n), prefix: 32 })
        .collect();
    let rules = lab.inside("a", || {
        firewall::confine(Ipv4Addr::new(247, 0, 0, 3), &many).unwrap();
        super::lab::run("nft", "list ruleset")
    });
    assert_eq!(rules.matches("drop").count(), 1 + many.len(), "one is for IPv6");
    assert!(
        rules.contains("0x0a0005db drop") || rules.contains("0xa0005db drop"),
        "10.0.5.219, the last"
    );
}
