//! Each rule is broken by a plan that breaks it, and by none that is good.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn at(path: &str, source: Source, usage: Use) -> Step {
    Step::Bind { source, target: path.into(), usage }
}

fn tree(index: usize, path: &str) -> Step {
    at(path, Source::Tree { index, shows: path.into() }, Use::ReadOnly)
}

fn listener() -> Step {
    Step::Listen { name: "it".to_owned(), address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 9_001 }
}

/// A plan as root makes it.
fn good() -> Plan {
    let null = "/dev/null";
    Plan {
        namespaces: vec![
            Namespace::Pid,
            Namespace::Mount,
            Namespace::Ipc,
            Namespace::Uts,
            Namespace::Network,
        ],
        prepare: vec![
            Step::JoinCgroups,
            Step::CgroupNamespace,
            Step::Hostname("x".to_owned()),
            Step::PrivateMounts,
            Step::NewRoot,
            at("/usr", Source::Path("/usr".into()), Use::ReadOnly),
            at(null, Source::Path(null.into()), Use::Device),
            Step::Proc,
            Step::Loopback,
            listener(),
            Step::Pivot,
        ],
        launch: vec![
            tree(0, "/var/task"),
            tree(1, "/opt"),
            Step::TmpMemory { bytes: 1 },
            Step::SealRoot,
            Step::Limits { descriptors: 1, processes: 1 },
            Step::SessionKeyring,
            Step::Identity { id: 7 },
            Step::UserNamespace { uid: 993, gid: 990, outside: (7, 7) },
            Step::ForbidUserNamespaces,
            Step::DropCapabilities,
            Step::NoNewPrivileges,
            Step::Undumpable,
            Step::Seccomp,
        ],
    }
}

fn says(plan: &Plan) -> Vec<&'static str> {
    broken(plan).into_iter().map(|invariant| invariant.says).collect()
}

#[test]
fn a_good_plan_breaks_no_rule() {
    assert_eq!(says(&good()), Vec::<&str>::new());
}

/// Takes the step of this kind out of the launch part and puts it where it was counted from.
fn moved(plan: &mut Plan, kind: Kind, to: usize) {
    let from = plan.launch.iter().position(kind).unwrap();
    let step = plan.launch.remove(from);
    plan.launch.insert(to, step);
}

#[test]
fn each_rule_is_broken_by_the_plan_it_speaks_of() {
    type Change = fn(&mut Plan);
    let changes: Vec<(&str, Change)> = vec![
        ("processes, mounts", |p| p.namespaces.retain(|n| *n != Namespace::Ipc)),
        ("the control groups", |p| p.prepare.swap(0, 1)),
        ("the cgroup namespace", |p| p.namespaces.push(Namespace::Cgroup)),
        ("the host name", |p| p.prepare.retain(|s| !matches!(s, Step::Hostname(_)))),
        ("mounts are private", |p| p.prepare.swap(3, 4)),
        ("an empty root", |p| p.prepare.swap(4, 5)),
        ("trees are shown", |p| {
            p.prepare[5] = at("/dev/sda", Source::Path("/dev/sda".into()), Use::Device);
        }),
        ("no directory", |p| {
            p.prepare.insert(6, Step::Directory { path: "/x".into(), mode: 0o1777 });
        }),
        ("its own /proc", |p| p.prepare.swap(7, 10)),
        ("the host's root is", |p| p.prepare.retain(|s| !matches!(s, Step::Pivot))),
        ("paths of the host", |p| {
            p.launch[0] = at("/var/task", Source::Path("/srv".into()), Use::ReadOnly);
        }),
        ("each descriptor", |p| p.launch.swap(0, 1)),
        ("loopback is up", |p| p.prepare.swap(8, 9)),
        ("listeners and loopback", |p| p.namespaces.retain(|n| *n != Namespace::Network)),
        ("a firewall is laid", |p| {
            let lay = Step::Firewall { dns: Ipv4Addr::new(10, 0, 2, 3), blocked: vec![] };
            p.launch.insert(0, lay);
        }),
        ("listeners are on loopback", |p| {
            let address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            p.prepare[9] = Step::Listen { name: String::new(), address, port: 1 };
        }),
        ("/tmp is mounted", |p| p.launch.swap(1, 2)),
        ("the root is sealed", |p| p.launch.swap(2, 3)),
        ("every mount", |p| moved(p, tmp, 8)),
        ("descriptors and processes", |p| moved(p, |s| matches!(s, Step::Limits { .. }), 12)),
        ("the session keyring", |p| p.launch.swap(5, 6)),
        ("the id is changed", |p| p.launch.swap(6, 7)),
        ("there is exactly one user", |p| {
            p.launch.retain(|s| !matches!(s, Step::UserNamespace { .. }));
        }),
        ("further user namespaces", |p| p.launch.swap(7, 8)),
        ("capabilities are dropped", |p| p.launch.swap(8, 9)),
        ("new privileges", |p| p.launch.swap(10, 12)),
        ("the init is closed", |p| p.launch.swap(9, 11)),
        ("the filter is", |p| p.launch.swap(11, 12)),
    ];
    assert_eq!(changes.len(), ALL.len(), "one change for each rule");
    for ((start, change), rule) in changes.into_iter().zip(&ALL) {
        assert!(rule.says.starts_with(start), "{} is not {start}", rule.says);
        let mut plan = good();
        change(&mut plan);
        assert!(says(&plan).contains(&rule.says), "{} holds: {plan}", rule.says);
    }
}

#[test]
fn a_user_namespace_of_root_itself_is_never_the_functions() {
    let mut plan = good();
    let namespace = plan.launch.iter_mut().find(|s| matches!(s, Step::UserNamespace { .. }));
    *namespace.unwrap() = Step::UserNamespace { uid: 0, gid: 990, outside: (7, 7) };
    assert!(!broken(&plan).is_empty(), "root inside");
    let mut plan = good();
    plan.launch.retain(|step| !matches!(step, Step::Identity { .. }));
    let namespace = plan.launch.iter_mut().find(|s| matches!(s, Step::UserNamespace { .. }));
    *namespace.unwrap() = Step::UserNamespace { uid: 993, gid: 990, outside: (0, 0) };
    assert!(!broken(&plan).is_empty(), "root outside");
}
