//! Whether functions have `nat`, what of other firewalls it meets, and who answers names.

use std::net::Ipv4Addr;
use std::path::Path;

use super::super::facts::{Facts, Switch};
use super::super::network_facts::Tun;
use super::process::{NET_ADMIN, SYS_ADMIN, may};
use super::{A_KERNEL_WITH_IT, About, Check, PRIVILEGED, Status, as_root};
use crate::sandbox::network::{choose_resolver, resolver_of_slirp};

/// `nat`, and where that is to be had what comes with it.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    let about =
        About { id: "nat", read: "/proc/sys/net/ipv4/ip_forward, /dev/net/tun, PATH, nft --check" };
    let nat = if facts.uid == 0 { of_root(about, facts) } else { of_user(about, facts) };
    if nat.status != Status::Ok {
        return vec![nat];
    }
    if facts.uid == 0 { vec![nat, firewall(facts), names(facts)] } else { vec![nat, names(facts)] }
}

fn less(why: &str) -> String {
    format!("functions have no network but --network host: {why}")
}

fn without_rules(refused: &str) -> String {
    format!("this kernel takes no rules that keep functions from the host ({refused})")
}

fn of_root(about: About, facts: &Facts) -> Check {
    for (name, number) in [("CAP_NET_ADMIN", NET_ADMIN), ("CAP_SYS_ADMIN", SYS_ADMIN)] {
        if !may(facts, number) {
            return about.warn(less(&format!("no {name}")), PRIVILEGED);
        }
    }
    let is_on = matches!(facts.ip_forward, Switch::Is(1..));
    let mount = facts.mounts.read_only(Path::new("/proc/sys/net/ipv4/ip_forward"));
    if let (false, Some(mount)) = (is_on, mount) {
        let remedy = match facts.is_in_container {
            true => "docker run --sysctl net.ipv4.ip_forward=1".to_owned(),
            false => format!("mount -o remount,rw {}", mount.display()),
        };
        return about.warn(less("ip_forward is 0 and cannot be written"), remedy);
    }
    let Some(nft) = &facts.nft else {
        return about
            .warn(less("nft is not installed"), as_root(facts, "apt-get install nftables"));
    };
    for module in ["nf_tables", "veth"] {
        if facts.modules.lacks(module) {
            return about.warn(less(&format!("this kernel has no {module}")), A_KERNEL_WITH_IT);
        }
    }
    if let Some(refused) = &facts.network.rules_refused {
        return about.warn(less(&without_rules(refused)), A_KERNEL_WITH_IT);
    }
    let forwarding = match is_on {
        true => "ip_forward is on",
        false => "ip_forward is off, and on while lambdabox needs it",
    };
    about.ok(format!("{}; {forwarding}", nft.display()))
}

/// An ordinary user's is a program of the user's, and rules inside.
fn of_user(about: About, facts: &Facts) -> Check {
    let Some((program, version)) = &facts.network.slirp4netns else {
        let pasta = match facts.network.has_pasta {
            true => " (pasta, which is, is not used)",
            false => "",
        };
        let why = format!("without root it takes slirp4netns, which is not installed{pasta}");
        return about.warn(less(&why), as_root(facts, "apt-get install slirp4netns"));
    };
    match facts.network.tun {
        Tun::Open => {}
        Tun::Closed => {
            let why = "slirp4netns needs /dev/net/tun, which this user may not open";
            return about.warn(less(why), as_root(facts, "chmod 666 /dev/net/tun"));
        }
        Tun::Absent => {
            let remedy = match facts.is_in_container {
                true => "docker run --device /dev/net/tun".to_owned(),
                false => as_root(facts, "modprobe tun"),
            };
            return about.warn(less("slirp4netns needs /dev/net/tun, and there is none"), remedy);
        }
    }
    if facts.modules.lacks("nf_tables") {
        let why = "this kernel has no nf_tables to keep functions from the host";
        return about.warn(less(why), A_KERNEL_WITH_IT);
    }
    if let Some(refused) = &facts.network.rules_refused {
        return about.warn(less(&without_rules(refused)), A_KERNEL_WITH_IT);
    }
    let version = version.as_deref().unwrap_or("of an unknown version");
    about.ok(format!("slirp4netns {version} ({}), with rules inside", program.display()))
}

/// Chains that others have made. Whether they refuse is asked when `nat` is made.
fn firewall(facts: &Facts) -> Check {
    let about = About {
        id: "nat-firewall",
        read: "/proc/self/net/ip_tables_names, /etc/ufw/ufw.conf, /sys/class/net",
    };
    if facts.network.has_legacy_filter {
        let rule =
            |way| as_root(facts, &format!("iptables-legacy -I FORWARD -{way} lbx+ -j ACCEPT"));
        return about.warn(
            "the old iptables has a filter table, which nobody else's rules can open: if it refuses \
             to forward, functions reach nothing",
            format!("{} && {}", rule('i'), rule('o')),
        );
    }
    match facts.network.forward_keepers.as_slice() {
        [] => about.ok("none that refuses to forward is known of"),
        keepers => about.ok(format!(
            "where the chain of {} refuses to forward, it has two rules of ours while lambdabox runs",
            keepers.join(" and ")
        )),
    }
}

fn names(facts: &Facts) -> Check {
    let about = About { id: "dns", read: "/etc/resolv.conf, /run/systemd/resolve/resolv.conf" };
    let network = &facts.network;
    let (resolver, asked) = if facts.uid == 0 {
        let upstreams = network.systemd_upstreams.as_deref();
        let resolver = choose_resolver(&network.resolv_conf, upstreams, &[]);
        let servers = resolver.text.lines().filter_map(|line| line.strip_prefix("nameserver "));
        let servers = servers.collect::<Vec<_>>().join(", ");
        let asked = match resolver.forward_to.is_empty() {
            true => format!("functions ask {servers}"),
            false => "lambdabox asks in their stead".to_owned(),
        };
        (resolver, asked)
    } else {
        let resolver = resolver_of_slirp(&network.resolv_conf, Ipv4Addr::UNSPECIFIED);
        (resolver, "slirp4netns asks in their stead".to_owned())
    };
    if let Some(notice) = resolver.notice {
        let tee = as_root(facts, "tee -a /etc/resolv.conf");
        return about.warn(notice, format!("echo nameserver 9.9.9.9 | {tee}"));
    }
    match network.stubs().first() {
        Some(stub) => about.ok(format!("{stub} is the host's own: {asked}")),
        None => about.ok(asked),
    }
}
