//! The plan of any configuration: generated, checked against every invariant, and with steps left out.

use lambdabox_bootstrap::plan::{Plan, invariants};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::sandbox::cgroup::Limits;

/// What a host's root may have of each directory.
fn host_root() -> impl Strategy<Value = HostRoot> {
    let paths: Vec<&str> = ROOT_DIRECTORIES.iter().chain(&ETC).copied().collect();
    let count = paths.len();
    vec(0..3_u8, count).prop_map(move |kinds| {
        let steps = paths.iter().zip(kinds).filter_map(|(path, kind)| match kind {
            0 => None,
            1 => Some(Step::Symlink { path: path.into(), target: "usr/elsewhere".into() }),
            _ => Some(read_only(Source::Path(path.into()), path.into())),
        });
        HostRoot { steps: steps.collect() }
    })
}

fn network() -> impl Strategy<Value = Network> {
    prop_oneof![Just(Network::None), Just(Network::Nat), Just(Network::Host)]
}

/// Which control groups there are: of version 1, 2, or none.
fn control_groups() -> impl Strategy<Value = (bool, bool)> {
    prop_oneof![Just((true, false)), Just((false, true)), Just((false, false))]
}

/// Rules for a way out that lets too much through, as an ordinary user's does.
fn firewall() -> impl Strategy<Value = Option<Step>> {
    let link_local = lambdabox_bootstrap::firewall::Network {
        address: Ipv4Addr::new(169, 254, 0, 0),
        prefix: 16,
    };
    let dns = Ipv4Addr::new(10, 0, 2, 3);
    option::of(Just(Step::Firewall { dns, blocked: vec![link_local] }))
}

fn shell() -> impl Strategy<Value = Shell> {
    let addresses = prop_oneof![
        Just(vec![]),
        Just(loopback_addresses()),
        Just(vec![Ipv6Addr::LOCALHOST.into()])
    ];
    let text = "[a-z0-9.\n ]{0,40}";
    (network(), vec(any::<u16>(), 0..6), addresses, text, firewall(), control_groups()).prop_map(
        |(network, forwards, forward_addresses, resolv_conf, firewall, groups)| Shell {
            network,
            xray: if forwards.len() % 2 == 0 { Xray::Taken } else { Xray::Nobody },
            forwards,
            forward_addresses,
            resolv_conf,
            firewall,
            joins_v1: groups.0,
            born_in_cgroup_namespace: groups.1,
        },
    )
}

/// Trees and links as `OpenTrees` names them: code, layers, interpreter, language loop.
fn trees() -> impl Strategy<Value = (Vec<Step>, usize)> {
    let links = vec("/opt/[a-z]{1,8}", 0..3);
    (vec("/(var/task|opt|var/runtime|home/[a-z]{1,6}/x|tmp/venv)", 0..12), links).prop_map(
        |(targets, links)| {
            let count = targets.len();
            let binds = targets.into_iter().enumerate().map(|(index, target)| {
                let source = Source::Tree { index, shows: "/host".into() };
                read_only(source, target.into())
            });
            let links = links
                .into_iter()
                .map(|path| Step::Symlink { path: path.into(), target: "/var/task".into() });
            (binds.chain(links).collect(), count)
        },
    )
}

fn identity() -> impl Strategy<Value = Identity> {
    prop_oneof![
        (1..u32::MAX).prop_map(|id| Identity::Own { id }),
        (1..u32::MAX, any::<u32>()).prop_map(|(uid, gid)| Identity::Callers { uid, gid }),
    ]
}

/// A plan of any configuration.
fn plan() -> impl Strategy<Value = Plan> {
    let image = 0..3_u8;
    let shared = option::of(any::<u64>());
    (shell(), host_root(), trees(), image, any::<u64>(), identity(), shared).prop_map(
        |(shell, root, (trees, descriptors), image, bytes, identity, shared_memory_bytes)| {
            let tmp = match image {
                0 => TmpPlan::Kept { index: descriptors, bytes },
                1 => TmpPlan::Device {
                    index: descriptors,
                    shows: "/dev/loop0".into(),
                    options: String::new(),
                },
                _ => TmpPlan::Memory { bytes },
            };
            let confinement = Confinement { identity, shared_memory_bytes };
            Plan {
                namespaces: shell.namespaces(),
                prepare: shell.steps(&root),
                launch: launch_steps(trees, tmp, &confinement),
            }
        },
    )
}

fn broken(plan: &Plan) -> Vec<&'static str> {
    invariants::broken(plan).into_iter().map(|invariant| invariant.says).collect()
}

/// Steps that are not there for every configuration: links, files and trees of this one function.
fn of_one_configuration(step: &Step) -> bool {
    matches!(
        step,
        Step::Bind { .. }
            | Step::File { .. }
            | Step::Symlink { .. }
            | Step::Listen { .. }
            | Step::Receive { .. }
            | Step::SharedMemory { .. }
            | Step::JoinCgroups
            | Step::Firewall { .. }
            | Step::Identity { .. }
    )
}

proptest! {
    #[test]
    fn the_plan_of_any_configuration_keeps_every_invariant(plan in plan()) {
        prop_assert_eq!(broken(&plan), Vec::<&str>::new(), "{}", plan);
    }

    #[test]
    fn no_step_can_be_left_out_of_it(plan in plan(), which in any::<prop::sample::Index>()) {
        let (mut prepare, mut launch) = (plan.prepare.clone(), plan.launch.clone());
        let gate = prepare.len();
        let index = which.index(gate + launch.len());
        let left_out =
            if index < gate { prepare.remove(index) } else { launch.remove(index - gate) };
        prop_assume!(!of_one_configuration(&left_out));
        let less = Plan { prepare, launch, ..plan };
        prop_assert!(!broken(&less).is_empty(), "without {left_out}: {less}");
    }

    #[test]
    fn nothing_follows_the_filter_and_no_privilege_comes_back(plan in plan()) {
        let after = |is: fn(&Step) -> bool| {
            let at = plan.launch.iter().position(is).expect("every plan has it");
            plan.launch[at + 1..].to_vec()
        };
        prop_assert_eq!(after(|step| matches!(step, Step::Seccomp)), vec![]);
        let last = [Step::NoNewPrivileges, Step::Undumpable, Step::Seccomp];
        prop_assert_eq!(after(|step| matches!(step, Step::DropCapabilities)), last);
    }
}

#[test]
fn processes_are_limited_to_the_same_number_twice() {
    // By the control group and, where that is missing, by the user's own limit.
    let confinement = Confinement {
        identity: Identity::Callers { uid: 1_000, gid: 1_000 },
        shared_memory_bytes: None,
    };
    let steps = launch_steps(vec![], TmpPlan::Memory { bytes: 1 }, &confinement);
    let pids = u64::from(Limits::of_function(128).pids);
    assert!(steps.contains(&Step::Limits { descriptors: MAX_DESCRIPTORS, processes: pids }));
}
