//! What `nat` changes on the machine is changed back, by its own end or the next start's sweep.

use super::lab::{HOST, Lab, OUTSIDE, run};
use crate::sandbox::network::sweep;

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
            drop(nat);
            sweep(5, lab.state.path()).await.unwrap();
            let (again, _) = lab.nat(5).await;
            lab.connect(&again, 2, "a").await;
            run("nft", "flush chain ip filter FORWARD");
            for rule in rules.split('|').filter(|rule| rule.starts_with("-A FORWARD")) {
                run("iptables-nft", rule);
            }
            lab.assert_unreachable("a", OUTSIDE, 80);
            again.close().await.unwrap();
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
