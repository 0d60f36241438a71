//! Does the sandbox hold against a function that means harm?
//!
//! # Invariants
//! - Each test asserts the effect (what could be read, written, killed or kept), so it fails where the
//!   protection is absent, whatever the messages say.
//!
//! # Sources
//! `SECURITY.md`; `reference/sandbox.md`.

mod escapes;
mod exhaustion;
mod filesystem;
mod hostile;
mod neighbours;
mod privileges;
mod proc;
mod rootless;
mod syscalls;

use serde_json::Value;

use crate::harness::{Function, Run, invoke};

/// Lines that stop a hostile handler that finds itself outside of any sandbox: a test of a broken
/// sandbox must fail, not take the tester's machine down.
fn guard() -> String {
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

/// Runs a handler made of these lines, which leave their findings in `found`.
fn probe_run(lines: &str, arguments: &[&str]) -> Run {
    let body: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let guard = guard();
    let source = format!(
        "import ctypes, errno, os, signal, socket, subprocess, sys, time
{guard}def attempt(action, *arguments):
    try:
        return ['done', str(action(*arguments))]
    except Exception as error:
        return ['refused', type(error).__name__]
def lambda_handler(event, context):
    found = {{}}
{body}
    return found
"
    );
    let timeout = if arguments.contains(&"--timeout") { &[][..] } else { &["--timeout", "30"] };
    invoke(&Function::python(&source)).args(timeout).args(arguments).run()
}

/// The findings of such a handler, which must have answered.
#[track_caller]
fn probe(lines: &str) -> Value {
    probe_run(lines, &[]).answered().json()
}

/// Asserts that every attempt among the findings was refused.
#[track_caller]
fn all_refused(found: &Value) {
    let attempts = found.as_object().expect("findings by name");
    assert!(!attempts.is_empty(), "nothing was tried");
    let done: Vec<_> = attempts.iter().filter(|(_, result)| result[0] != "refused").collect();
    assert!(done.is_empty(), "these worked: {done:?}");
}
