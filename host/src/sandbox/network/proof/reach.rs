//! Where an environment gets to and where not.

use std::net::Ipv4Addr;

use super::lab::{HOST, HOST_OTHER, Lab, METADATA, OUTSIDE, run};

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
        // Not the table, which would be loaded again.
        run("nft", "flush chain inet lambdabox_5 forward");
        lab.ask("neighbour", OUTSIDE, 80).expect("without the rule it would be forwarded");
        nat.close().await.unwrap();
    });
}
