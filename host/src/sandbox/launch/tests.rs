//! How sandboxes end that nobody ends in the ordinary way.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use super::super::cgroup::tests::machines;
use super::super::plan::Xray;
use super::super::spawner::start_program;
use super::*;
use crate::model::Network;

/// Longest wait of a test for a condition.
const SOON: Duration = Duration::from_secs(60);
/// The time between a birth and its end is another each time; some are ended before they have joined.
const STARTS: u32 = 50;

/// A process in no group, and a descriptor of it.
fn sleeper() -> (Child, OwnedFd) {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    (child, pidfd)
}

#[tokio::test]
async fn an_init_that_has_not_joined_its_group_yet_ends_all_the_same() {
    for machine in machines("an_init_that_has_not_joined_its_group_yet_ends_all_the_same") {
        let group = machine.cgroups.make("t.0-1", &Limits::of_function(128)).unwrap();
        let (mut child, pidfd) = sleeper();
        let pidfd = watched(pidfd).unwrap();
        let ended = tokio::time::timeout(SOON, end(Hold::Group(group), &pidfd)).await;
        ended.expect("it waits for one that nobody kills").unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(machine.cgroups.leftovers().is_empty());
    }
}

#[tokio::test]
async fn a_sandbox_that_is_dropped_is_killed() {
    let (mut child, pidfd) = sleeper();
    let pid = i32::try_from(child.id()).unwrap();
    let hold = Hold::pid_namespace(pid, &pidfd).unwrap();
    let gone = watched(pidfd.try_clone().unwrap()).unwrap();
    // Its socket stays open on the other side: that is not what ends the process.
    let (ours, _theirs) = message_pair().unwrap();
    let control = Channel::new(ours).unwrap();
    let plan = Plan { namespaces: Vec::new(), prepare: Vec::new(), launch: Vec::new() };
    let sandbox = Sandbox::new(hold, control, watched(pidfd).unwrap(), pid, plan);
    // The watch is at work.
    tokio::task::yield_now().await;
    drop(sandbox);
    let ended = tokio::time::timeout(SOON, gone.readable()).await;
    assert!(ended.is_ok(), "it lives on");
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_start_that_is_given_up_at_once_ends_and_leaves_no_group() {
    let name = "a_start_that_is_given_up_at_once_ends_and_leaves_no_group";
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("lambdabox");
    if !program.exists() {
        println!("SKIP {name}: the program is not built (cargo build -p lambdabox)");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for machine in machines(name) {
        let started = start_program(&program).unwrap();
        runtime.block_on(async {
            let workshop = Workshop {
                spawner: Spawner::adopt(started).await.unwrap(),
                cgroups: Some(machine.cgroups.clone()),
                root: HostRoot::look(),
                made: AtomicU32::new(0),
            };
            let shell = Shell {
                network: Network::None,
                forwards: Vec::new(),
                forward_addresses: Vec::new(),
                xray: Xray::Nobody,
                resolv_conf: String::new(),
                firewall: None,
                joins_v1: workshop.joins_v1(),
                born_in_cgroup_namespace: !workshop.joins_v1(),
            };
            for _ in 0..STARTS {
                let begun = workshop.begin("t.0", &shell, 128).await.unwrap();
                let given_up = begun.abandon(SandboxError::InitEnded);
                let ended = tokio::time::timeout(SOON, given_up).await;
                let said = ended.expect("it waits for an init that nobody kills");
                assert!(matches!(said, SandboxError::InitEnded), "{said}");
                assert!(machine.cgroups.leftovers().is_empty());
            }
        });
    }
}
