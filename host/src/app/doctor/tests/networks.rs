//! Networks: by which means functions have one, what is in the way, and who answers names.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::checks::{self, Status};
use super::machine::{Machine, NOBODYS, lists};
use crate::config::Isolation;

const SLIRP: &str = "#!/bin/sh\necho \"slirp4netns version 1.2.0\"\necho \"libslirp: 4.7.0\"\n";

/// An ordinary user, with slirp4netns and a `/dev/net/tun` of these bits.
fn user(mode: u32) -> Machine {
    let machine = Machine::good().user(1000, NOBODYS).with("dev/net/tun", "");
    let tun = machine.path().join("dev/net/tun");
    fs::set_permissions(tun, fs::Permissions::from_mode(mode)).unwrap();
    machine.program("usr/bin/slirp4netns", SLIRP)
}

#[test]
fn nat_needs_nft_and_forwarding_that_is_on_or_can_be_switched_on() {
    let without = Machine::good().without("usr/sbin/nft");
    without.says("nat", Status::Warn, "nft is not installed", "apt-get install nftables");
    let closed = || Machine::good().also_mounted("51 22 0:51 / /proc/sys ro - proc proc rw\n");
    closed().says("nat", Status::Warn, "cannot be written", "mount -o remount,rw /proc/sys");
    let on = closed().with("proc/sys/net/ipv4/ip_forward", "1\n");
    on.says("nat", Status::Ok, "ip_forward is on", "");
    let container = closed().with(".dockerenv", "");
    container.says("nat", Status::Warn, "cannot be written", "--sysctl net.ipv4.ip_forward=1");
}

#[test]
fn a_kernel_that_has_no_means_for_nat_is_told_from_one_that_says_nothing() {
    assert_eq!(Machine::good().check("nat").status, Status::Ok, "no list says that it lacks them");
    let all = "kernel/net/netfilter/nf_tables.ko.xz:\nkernel/drivers/net/veth.ko.xz:\n";
    assert_eq!(lists(Machine::good(), all).check("nat").status, Status::Ok);
    for (left, lacking) in all.lines().zip(["veth", "nf_tables"]) {
        let fact = format!("no {lacking}");
        lists(Machine::good(), left).says("nat", Status::Warn, &fact, "kernel of a distribution");
    }
    lists(user(0o666), "").says("nat", Status::Warn, "no nf_tables", "kernel of a distribution");
    let loaded = lists(user(0o666), "").with("proc/modules", "nf_tables 1 0 - Live 0x0\n");
    assert_eq!(loaded.check("nat").status, Status::Ok);
}

#[test]
fn an_ordinary_user_has_nat_by_slirp4netns_whose_version_is_named() {
    user(0o666).says("nat", Status::Ok, "slirp4netns 1.2.0 (", "");
    let none = Machine::good().user(1000, NOBODYS);
    none.says("nat", Status::Warn, "slirp4netns, which is not", "sudo apt-get install slirp4netns");
    let pasta = Machine::good().user(1000, NOBODYS).program("usr/bin/pasta", "");
    pasta.says("nat", Status::Warn, "pasta, which is, is not used", "slirp4netns");
    let silent = user(0o666).program("usr/bin/slirp4netns", "#!/bin/sh\n");
    silent.says("nat", Status::Ok, "of an unknown version", "");
}

#[test]
fn a_tun_device_that_is_closed_is_told_from_one_that_is_not_there() {
    user(0o600).says("nat", Status::Warn, "may not open", "sudo chmod 666 /dev/net/tun");
    let absent = || user(0o666).without("dev/net/tun");
    absent().says("nat", Status::Warn, "there is none", "sudo modprobe tun");
    let container = absent().with(".dockerenv", "");
    container.says("nat", Status::Warn, "there is none", "--device /dev/net/tun");
    // Files of a test belong to whoever runs it.
    let tester = nix::unistd::geteuid().as_raw();
    let owner = user(0o600).user(tester, super::machine::EVERY);
    assert_ne!(owner.check("nat").status, Status::Missing);
}

#[test]
fn a_kernel_that_takes_no_rules_for_ipv4_has_no_nat() {
    let refusing = "#!/bin/sh
        echo '/dev/stdin:1:1-9: Error: Could not process rule: Operation not supported' >&2
        exit 1";
    let root = || Machine::good().program("usr/sbin/nft", refusing);
    root().says("nat", Status::Warn, "(Could not process rule: Operation not supported)", "kernel");
    assert_eq!(root().missing(), [""; 0], "functions run without");
    let taking = Machine::good().program("usr/sbin/nft", "#!/bin/sh\nexec cat >/dev/null");
    assert_eq!(taking.check("nat").status, Status::Ok);
    // What an ordinary user's trial finds.
    let mut facts = user(0o666).facts();
    facts.network.rules_refused = Some("Operation not supported (os error 95)".to_owned());
    let checks = checks::all(&facts, Isolation::Full);
    let nat = checks.iter().find(|check| check.id == "nat").unwrap();
    assert_eq!(nat.status, Status::Warn, "{nat:?}");
    assert!(nat.fact.contains("takes no rules that keep functions from the host"), "{nat:?}");
}

#[test]
fn firewalls_that_refuse_to_forward_are_named_with_what_is_done_about_them() {
    let check = Machine::good().check("nat-firewall");
    assert!(check.fact.starts_with("none that refuses"), "{check:?}");
    let docker = || Machine::good().with("sys/class/net/docker0/mtu", "1500\n");
    docker().says("nat-firewall", Status::Ok, "chain of Docker refuses to forward, it has two", "");
    let off = docker().with("etc/ufw/ufw.conf", "# ufw\nENABLED=no\n");
    off.says("nat-firewall", Status::Ok, "chain of Docker refuses", "");
    let on = docker().with("etc/ufw/ufw.conf", "ENABLED=yes\n");
    on.says("nat-firewall", Status::Ok, "Docker and ufw", "");
    let legacy = docker().with("proc/self/net/ip_tables_names", "nat\nfilter\n");
    let command =
        "iptables-legacy -I FORWARD -i lbx+ -j ACCEPT && iptables-legacy -I FORWARD -o lbx+";
    legacy.says("nat-firewall", Status::Warn, "old iptables", command);
    let nat_only = docker().with("proc/self/net/ip_tables_names", "nat\n");
    assert_eq!(nat_only.check("nat-firewall").status, Status::Ok);
}

#[test]
fn a_stub_on_loopback_is_told_from_a_nameserver_and_from_none() {
    Machine::good().says("dns", Status::Ok, "functions ask 192.0.2.53", "");
    let stub = || Machine::good().with("etc/resolv.conf", "nameserver 127.0.0.53\n");
    stub().says("dns", Status::Ok, "127.0.0.53 is the host's own: lambdabox asks", "");
    let upstreams = "nameserver 198.51.100.1\nnameserver 198.51.100.2\n";
    let systemd = stub().with("run/systemd/resolve/resolv.conf", upstreams);
    systemd.says("dns", Status::Ok, "functions ask 198.51.100.1, 198.51.100.2", "");
    let none = || Machine::good().with("etc/resolv.conf", "search corp\n");
    none().says("dns", Status::Warn, "cannot be resolved", "/etc/resolv.conf");
    let of_user = user(0o666).with("etc/resolv.conf", "nameserver 127.0.0.53\n");
    of_user.says("dns", Status::Ok, "127.0.0.53 is the host's own: slirp4netns asks", "");
}

#[test]
fn what_comes_with_nat_is_not_judged_where_there_is_none() {
    let without = Machine::good().without("usr/sbin/nft");
    for id in ["nat-firewall", "dns"] {
        assert!(!without.checks().iter().any(|check| check.id == id), "{id}");
    }
}
