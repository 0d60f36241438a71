//! One attack: who tries it, on what kind of machine, and the line that tells how it went.
//!
//! An attack is a function of an [`Attacker`] that asserts what the sandbox must refuse and returns in a
//! few words what the kernel answered. [`attacks!`] makes two tests of it: the program run by root, and
//! by an ordinary user.
//!
//! # Invariants
//! - Every attack prints one line per caller: held, skipped with the reason, or broken.
//! - A process of the caller's own id, outside, lives through every attack.
//!
//! # Not here
//! The attacks.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use crate::harness::{Function, Invoke, Run, Running, invoke, note_skip, ordinary_user};

/// File that collects one line per attack; set by `scripts/test`.
const ATTACK_LOG: &str = "LAMBDABOX_ATTACK_LOG";

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The machine's root.
    Root,
    /// A user without any right of its own.
    OrdinaryUser,
}

/// What an attack needs that not every sandbox has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: it is tried everywhere.
    Nothing,
    /// Control groups, for it is the limits that are attacked.
    Limits,
    /// What only root's sandboxes have.
    Root,
}

/// How an attack went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The sandbox held; what the kernel answered.
    Held(String),
    /// It could not be tried here; why.
    NotHere(String),
}

impl From<String> for Outcome {
    fn from(answer: String) -> Self {
        Self::Held(answer)
    }
}

impl From<&str> for Outcome {
    fn from(answer: &str) -> Self {
        Self::Held(answer.to_owned())
    }
}

/// What ordinary users' sandboxes have on this machine.
#[derive(Debug)]
enum Ordinary {
    /// Limits, by control groups of their own.
    Limited,
    /// No limits; the arguments without which nothing starts.
    Unlimited,
    /// No sandbox; why.
    None(String),
}

/// Found out by trying, before an attack begins: whoever holds the machine must not wait for this.
static ORDINARY: LazyLock<Ordinary> = LazyLock::new(|| {
    let hello = Function::python("def lambda_handler(event, context):\n    return 1\n");
    if invoke(&hello).as_user().run().code() == 0 {
        return Ordinary::Limited;
    }
    let run = invoke(&hello).as_user().args(WITHOUT_LIMITS).run();
    match run.code() {
        0 => Ordinary::Unlimited,
        _ => Ordinary::None(run.stderr.lines().next().unwrap_or("it says nothing").to_owned()),
    }
});

/// Arguments that let an ordinary user's function run where it cannot be limited.
const WITHOUT_LIMITS: [&str; 2] = ["--isolation", "no-limits"];

/// A caller in front of an attack.
#[derive(Debug)]
pub(super) struct Attacker {
    pub(super) caller: Caller,
    bystander: Child,
}

impl Attacker {
    fn new(caller: Caller) -> Self {
        let mut command = Command::new("sleep");
        command.arg("86403.125").env("SECRET_OF_THE_HOST", "do-not-tell").stdin(Stdio::null());
        if caller == Caller::OrdinaryUser && nix::unistd::geteuid().is_root() {
            command.uid(ordinary_user::uid()).gid(ordinary_user::uid());
        }
        Self { caller, bystander: command.spawn().expect("sleep runs") }
    }

    /// Process id of a process outside that has the caller's id and a secret in its environment.
    pub(super) fn bystander(&self) -> u32 {
        self.bystander.id()
    }

    /// `lambdabox invoke` of a function, by this caller.
    pub(super) fn invoke(&self, function: &Function) -> Invoke {
        let invoke = invoke(function);
        match self.caller {
            Caller::Root => invoke,
            Caller::OrdinaryUser => match &*ORDINARY {
                Ordinary::Unlimited => invoke.as_user().args(WITHOUT_LIMITS),
                Ordinary::Limited | Ordinary::None(_) => invoke.as_user(),
            },
        }
    }

    /// Runs a handler made of these lines, which leave their findings in `found`.
    pub(super) fn probe_run(&self, lines: &str, arguments: &[&str]) -> Run {
        let timeout = if arguments.contains(&"--timeout") { &[][..] } else { &["--timeout", "30"] };
        let function = Function::python(&probe_source(lines));
        self.invoke(&function).args(timeout).args(arguments).run()
    }

    /// The findings of such a handler, which must have answered.
    #[track_caller]
    pub(super) fn probe(&self, lines: &str) -> Value {
        self.probe_run(lines, &[]).answered().json()
    }

    /// Runs such a handler and asserts that every attempt among its findings was refused.
    #[track_caller]
    pub(super) fn refused(&self, lines: &str) -> String {
        all_refused(&self.probe(lines))
    }
}

/// Another environment, which waits for as long as it takes to attack it.
pub(super) struct Neighbour {
    running: Running,
    _function: Function,
}

impl Neighbour {
    /// Runs these lines of a handler, then waits.
    pub(super) fn start(by: &Attacker, lines: &str) -> Self {
        let body: String = lines.lines().map(|line| format!("    {line}\n")).collect();
        let function = Function::python(&format!(
            "import socket, time
def lambda_handler(event, context):
{body}    print('neighbour waits', flush=True)
    time.sleep(600)
"
        ));
        let running = by.invoke(&function).args(["--timeout", "600"]).start();
        running.wait_for_log("neighbour waits");
        Self { running, _function: function }
    }

    /// What it wrote.
    pub(super) fn log(&self) -> String {
        self.running.stderr_so_far()
    }

    /// Asserts that it still waits, and ends it.
    #[track_caller]
    pub(super) fn lives_on(self) {
        let log = self.log();
        assert!(!log.contains("END RequestId"), "the neighbour did not live through it: {log}");
        self.running.signal(nix::sys::signal::Signal::SIGINT);
        self.running.wait();
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.bystander.kill().expect("our own child can be killed");
        self.bystander.wait().expect("our own child can be reaped");
    }
}

/// Lines that stop a hostile handler that finds itself outside of any sandbox: a test of a broken
/// sandbox must fail, not take the tester's machine down.
pub(super) fn guard() -> String {
    let namespace = |name: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        format!(
            "assert os.readlink('/proc/self/ns/{name}') != '{}', 'no sandbox'\n",
            link.display()
        )
    };
    let user = "assert os.getuid() != 0, 'no sandbox'\n";
    format!("{}{}{user}", namespace("pid"), namespace("mnt"))
}

/// A handler made of these lines, which leave their findings in `found`.
pub(super) fn probe_source(lines: &str) -> String {
    let body: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let guard = guard();
    format!(
        "import ctypes, errno, os, signal, socket, subprocess, sys, time
{guard}def attempt(action, *arguments):
    try:
        return ['done', str(action(*arguments))]
    except OSError as error:
        return ['refused', errno.errorcode.get(error.errno, type(error).__name__)]
    except Exception as error:
        return ['refused', type(error).__name__]
def lambda_handler(event, context):
    found = {{}}
{body}
    return found
"
    )
}

/// Asserts that every attempt among the findings was refused; how often the kernel said what.
#[track_caller]
pub(super) fn all_refused(found: &Value) -> String {
    let attempts = found.as_object().expect("findings by name");
    assert!(!attempts.is_empty(), "nothing was tried");
    let done: Vec<_> = attempts.iter().filter(|(_, result)| result[0] != "refused").collect();
    assert!(done.is_empty(), "these worked: {done:?}");
    let mut answers = BTreeMap::<&str, usize>::new();
    for result in attempts.values() {
        *answers.entry(result[1].as_str().expect("a name")).or_default() += 1;
    }
    let answers: Vec<String> = answers.iter().map(|(name, n)| format!("{n} {name}")).collect();
    answers.join(", ")
}

/// `v2` where the unified tree has the controllers, else `v1`.
fn cgroup_version() -> &'static str {
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "v2" } else { "v1" }
}

/// Why the attack cannot be tried by this caller, if so.
fn cannot_be_tried(caller: Caller, needs: Needs) -> Option<String> {
    let root = nix::unistd::geteuid().is_root();
    match (caller, needs) {
        (Caller::Root, _) => (!root).then(|| "the tests are not run by root".to_owned()),
        (Caller::OrdinaryUser, Needs::Root) => {
            Some("an ordinary user's sandbox has no such part".to_owned())
        }
        (Caller::OrdinaryUser, needs) => match &*ORDINARY {
            Ordinary::None(reason) => Some(format!("an ordinary user has no sandbox: {reason}")),
            Ordinary::Unlimited if needs == Needs::Limits => Some("no delegated cgroup".to_owned()),
            _ => None,
        },
    }
}

/// Tries an attack and tells how it went.
pub(super) fn tried<O: Into<Outcome>>(
    caller: Caller,
    name: &str,
    needs: Needs,
    attack: impl FnOnce(&Attacker) -> O,
) {
    if let Some(reason) = cannot_be_tried(caller, needs) {
        return not_here(caller, name, &reason);
    }
    let mut attacker = Attacker::new(caller);
    let went = catch_unwind(AssertUnwindSafe(|| {
        let outcome = attack(&attacker).into();
        let ended = attacker.bystander.try_wait().unwrap();
        assert!(ended.is_none(), "a process outside did not live through it: {ended:?}");
        outcome
    }));
    match went {
        Ok(Outcome::Held(answer)) => tell(caller, name, &format!("held ({answer})")),
        Ok(Outcome::NotHere(reason)) => not_here(caller, name, &reason),
        Err(panic) => {
            tell(caller, name, "BROKEN");
            resume_unwind(panic)
        }
    }
}

fn not_here(caller: Caller, name: &str, reason: &str) {
    note_skip(reason);
    tell(caller, name, &format!("SKIP ({reason})"));
}

fn tell(caller: Caller, name: &str, how: &str) {
    let caller = match caller {
        Caller::Root => "root",
        Caller::OrdinaryUser => "rootless",
    };
    let line = format!("attack {} [{} {caller}]: {how}", name.replace('_', "-"), cgroup_version());
    println!("{line}");
    if let Some(path) = std::env::var_os(ATTACK_LOG) {
        let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// Makes two tests of each attack of a module: by root and by an ordinary user. `needs` says what it
/// cannot be tried without ([`Needs`]).
macro_rules! attacks {
    ($($attack:ident $(needs $need:ident)?),* $(,)?) => {
        mod as_root {
            use crate::security::attack::{Caller, Needs, tried};
            $(#[test]
            fn $attack() {
                let needs = [$(Needs::$need,)? Needs::Nothing][0];
                tried(Caller::Root, stringify!($attack), needs, super::$attack);
            })*
        }
        mod as_ordinary_user {
            use crate::security::attack::{Caller, Needs, tried};
            $(#[test]
            fn $attack() {
                let needs = [$(Needs::$need,)? Needs::Nothing][0];
                tried(Caller::OrdinaryUser, stringify!($attack), needs, super::$attack);
            })*
        }
    };
}
