//! `nat` proven between network namespaces of the test's own. Needs root, `ip`, `nft`; says SKIP
//! where one is missing. Every refusal has its counterpart: the same service answers somebody else.

mod lab;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use lab::{HOST, HOST_OTHER, Lab, METADATA, OUTSIDE, run};
use tokio::sync::mpsc;

use super::{Nat, Resolver, forward, sweep};

#[test]
fn an_environment_reaches_outside_under_the_hosts_address_and_leaves_nothing_behind() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    let before = lab.machine();
    lab.as_host(async || {
        let (nat, notices) = lab.nat(5).await;
        assert!(notices.iter().any(|notice| notice.contains("ip_forward")), "{notices:?}");
        let wire = lab.connect(&nat, 7, "a").await;
        assert_eq!(wire.address, Ipv4Addr::new(247, 1, 64, 7));
        assert_eq!(wire.interface, "lbx5n7");
        assert_eq!(lab.ask("a", OUTSIDE, 80).unwrap(), HOST.to_string());
        assert!(lab.machine().contains("lambdabox_5"));
        nat.close().await.unwrap();
    });
    assert_eq!(lab.machine(), before);
    lab.assert_unreachable("a", OUTSIDE, 80);
}

#[test]
fn an_environment_reaches_nothing_of_the_host_nor_the_metadata_address() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    // As Docker publishes a port: the packet would never meet the host's own input rules.
    lab.inside("host", || {
        run("nft", "add table ip published");
        run("nft", "add chain ip published pre { type nat hook prerouting priority -100 ; }");
        run("nft", &format!("add rule ip published pre tcp dport 9090 dnat to {OUTSIDE}:80"));
    });
    lab.as_host(async || {
        let (nat, _) = lab.nat(5).await;
        let wire = lab.connect(&nat, 1, "a").await;
        lab.ask("a", OUTSIDE, 80).unwrap();
        lab.ask("outside", HOST, 8080).unwrap();
        lab.ask("host", METADATA, 80).unwrap();
        for own in [HOST, HOST_OTHER, Ipv4Addr::new(10, 79, 0, 2)] {
            lab.assert_dropped("a", own, 8080);
        }
        lab.assert_dropped("a", METADATA, 80);
        lab.assert_dropped("a", Ipv4Addr::new(169, 254, 1, 1), 8080);
        lab.assert_dropped("neighbour", HOST, 9090);
        lab.assert_dropped("a", HOST, 9090);
        let inside = lab.inside("a", || run("ip", "-6 addr show dev eth0"));
        assert_eq!(inside, "", "no IPv6 inside");
        let outside =
            run("ip", &format!("-n {} -6 addr show dev {}", lab.name("host"), wire.interface));
        assert_eq!(outside, "", "no IPv6 on the host's end");
        nat.close().await.unwrap();
    });
}

#[test]
fn environments_of_one_or_two_hosts_cannot_reach_one_another() {
    let Some(mut lab) = Lab::build() else { return };
    for name in ["a", "b", "c"] {
        lab.add(name);
        lab.serve(name, 9001);
    }
    lab.as_host(async || {
        let (first, _) = lab.nat(5).await;
        let (second, _) = lab.nat(51).await;
        let a = lab.connect(&first, 1, "a").await;
        let b = lab.connect(&first, 2, "b").await;
        let c = lab.connect(&second, 1, "c").await;
        for (from, to) in [("a", &b), ("b", &a), ("a", &c), ("c", &a)] {
            lab.ask(from, OUTSIDE, 80).unwrap();
            lab.assert_dropped(from, to.address, 9001);
        }
        // Nor does anybody outside who has a route.
        lab.ip("outside", &format!("route add 247.0.0.0/8 via {HOST}"));
        lab.assert_dropped("outside", a.address, 9001);
        assert_eq!(lab.ask("a", a.address, 9001).unwrap(), a.address.to_string(), "it does listen");
        first.close().await.unwrap();
        assert!(lab.ask("c", OUTSIDE, 80).is_ok(), "the second is not hurt by the first's end");
        second.close().await.unwrap();
    });
}

#[test]
fn networks_that_were_apart_stay_apart_while_ip_forward_is_on() {
    let Some(lab) = Lab::build() else { return };
    lab.as_host(async || {
        let (nat, _) = lab.nat(5).await;
        lab.assert_dropped("neighbour", OUTSIDE, 80);
        run("nft", "delete table inet lambdabox_5");
        lab.ask("neighbour", OUTSIDE, 80).expect("without the rule it would be forwarded");
        nat.close().await.expect_err("the table is gone already");
    });
}

#[test]
fn a_forward_chain_that_drops_lets_environments_through_and_is_given_back_unchanged() {
    if std::process::Command::new("iptables-nft").arg("-V").output().is_err() {
        println!("SKIP: no iptables-nft");
        return;
    }
    let docker = "-P FORWARD DROP|-N DOCKER-USER|-A DOCKER-USER -j RETURN|-A FORWARD -j DOCKER-USER\
                  |-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT";
    let ufw = "-N ufw-reject-forward|-A FORWARD -j LOG|-A FORWARD -j ufw-reject-forward\
               |-A ufw-reject-forward -j REJECT --reject-with icmp-port-unreachable";
    for (which, rules) in [("docker", docker), ("ufw", ufw)] {
        let Some(mut lab) = Lab::build() else { return };
        lab.add("a");
        let before = lab.inside("host", || {
            for rule in rules.split('|') {
                run("iptables-nft", rule);
            }
            run("iptables-nft", "-S")
        });
        let machine = lab.machine();
        lab.as_host(async || {
            let (nat, notices) = lab.nat(5).await;
            assert!(notices.iter().any(|notice| notice.contains("ip filter FORWARD")), "{which}");
            lab.connect(&nat, 1, "a").await;
            assert_eq!(lab.ask("a", OUTSIDE, 80).unwrap(), HOST.to_string(), "{which}");
            let during = run("iptables-nft", "-S");
            assert!(during.contains("-A FORWARD -i lbx5n+"), "iptables reads it: {during}");
            // The chain does refuse: without our rules nothing gets through.
            sweep(5, lab.state.path()).await.unwrap();
            let (again, _) = lab.nat(5).await;
            lab.connect(&again, 2, "a").await;
            run("nft", "flush chain ip filter FORWARD");
            for rule in rules.split('|').filter(|rule| rule.starts_with("-A FORWARD")) {
                run("iptables-nft", rule);
            }
            lab.assert_unreachable("a", OUTSIDE, 80);
            again.close().await.unwrap();
            drop(nat);
            assert_eq!(run("iptables-nft", "-S"), before, "{which}");
        });
        assert_eq!(lab.machine(), machine, "{which}");
    }
}

#[test]
fn a_sweep_removes_what_a_killed_host_left_and_spares_its_neighbour() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    lab.add("b");
    let before = lab.machine();
    lab.as_host(async || {
        let (killed, _) = lab.nat(5).await;
        let (living, _) = lab.nat(51).await;
        lab.connect(&killed, 1, "a").await;
        lab.connect(&living, 1, "b").await;
        drop(killed);
        sweep(5, lab.state.path()).await.unwrap();
        let between = lab.machine();
        assert!(!between.contains("lbx5n") && !between.contains("lambdabox_5 "), "{between}");
        lab.ask("b", OUTSIDE, 80).unwrap();
        drop(living);
        sweep(51, lab.state.path()).await.unwrap();
        sweep(51, lab.state.path()).await.expect("nothing left is fine");
    });
    assert_eq!(lab.machine(), before);
}

#[test]
fn a_table_left_by_a_killed_host_is_replaced() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    lab.as_host(async || {
        let (killed, _) = lab.nat(5).await;
        drop(killed);
        let (nat, _) = lab.nat(5).await;
        lab.connect(&nat, 1, "a").await;
        lab.ask("a", OUTSIDE, 80).unwrap();
        let rules = run("nft", "list chain inet lambdabox_5 input");
        assert_eq!(rules.matches("drop").count(), 1, "not doubled: {rules}");
        nat.close().await.unwrap();
    });
}

#[test]
fn a_wire_is_removed_at_once_and_its_number_can_be_used_again() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    lab.as_host(async || {
        let (nat, _) = lab.nat(5).await;
        lab.connect(&nat, 3, "a").await;
        let namespace = lab.open("a");
        let taken = nat.connect(3, std::os::fd::AsFd::as_fd(&namespace)).await;
        assert!(taken.unwrap_err().to_string().contains("veth"));
        nat.disconnect(3).await.unwrap();
        nat.disconnect(3).await.expect("gone already is fine");
        lab.connect(&nat, 3, "a").await;
        lab.ask("a", OUTSIDE, 80).unwrap();
        nat.close().await.unwrap();
    });
}

#[test]
fn names_are_answered_where_the_host_has_only_a_loopback_resolver() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    let stub = lab.inside("host", || UdpSocket::bind("127.0.0.1:53").unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = stub.recv_from(&mut buffer) {
            buffer[length] = b'!';
            stub.send_to(&buffer[..=length], client).unwrap();
        }
    });
    let resolver = Resolver {
        text: "nameserver 127.0.0.1\n".into(),
        notice: None,
        forward_to: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 53))],
    };
    lab.as_host(async || {
        let (nat, _) =
            Nat::open_with(lab.means.clone(), 5, lab.state.path(), resolver).await.unwrap();
        let wire = lab.connect(&nat, 1, "a").await;
        let client = lab.inside("a", || UdpSocket::bind("127.0.0.1:0").unwrap());
        client.set_nonblocking(true).unwrap();
        let client = tokio::net::UdpSocket::from_std(client).unwrap();
        client.send_to(b"\x00\x07name", "127.0.0.1:53").await.unwrap();
        let mut buffer = [0; 512];
        let length = client.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"\x00\x07name!");
        drop(wire);
        nat.close().await.unwrap();
    });
}

#[test]
fn a_forward_reaches_the_hosts_loopback_from_a_namespace_without_a_wire() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    let listener = lab.inside("a", || TcpListener::bind("127.0.0.1:5432").unwrap());
    lab.as_host(async || {
        let (notices, _heard) = mpsc::channel(1);
        let forwarding = forward::spawn(listener, 8080, notices).unwrap();
        let asked = async {
            let from_a =
                lab.inside("a", || std::net::TcpStream::connect("127.0.0.1:5432").unwrap());
            from_a.set_nonblocking(true).unwrap();
            let mut client = tokio::net::TcpStream::from_std(from_a).unwrap();
            let mut answer = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut client, &mut answer).await.unwrap();
            answer
        };
        assert_eq!(asked.await, "127.0.0.1");
        drop(forwarding);
    });
}

/// Not a limit, a measurement: `cargo test -- --ignored --nocapture how_long`.
#[test]
#[ignore = "prints times, asserts nothing about them"]
fn how_long_each_part_takes() {
    const ROUNDS: u32 = 15;
    let Some(mut lab) = Lab::build() else { return };
    let mut times: Vec<(&str, Vec<Duration>)> =
        ["open", "connect", "disconnect", "close"].map(|part| (part, Vec::new())).into();
    for round in 0..ROUNDS {
        let name = format!("e{round}");
        lab.add(&name);
        let measured = lab.as_host(async || {
            let start = Instant::now();
            let (nat, _) = lab.nat(5).await;
            let opened = Instant::now();
            lab.connect(&nat, round, &name).await;
            let connected = Instant::now();
            nat.disconnect(round).await.unwrap();
            let disconnected = Instant::now();
            nat.close().await.unwrap();
            let closed = Instant::now();
            [opened - start, connected - opened, disconnected - connected, closed - disconnected]
        });
        for ((_, all), one) in times.iter_mut().zip(measured) {
            all.push(one);
        }
    }
    for (part, mut all) in times {
        all.sort();
        println!(
            "{part}: p50 {:?} min {:?} max {:?}",
            all[all.len() / 2],
            all[0],
            all[all.len() - 1]
        );
    }
}
