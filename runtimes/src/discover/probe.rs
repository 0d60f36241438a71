//! Asking an interpreter itself, for what cannot be read off: scripts and foreign shims.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A shim that takes longer than this is broken or waits for a terminal.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// More answer than this is not one of ours.
const ANSWER_LIMIT_BYTES: u64 = 16 * 1024;

/// One line each; paths may hold anything but a newline.
const QUESTION: &str = "import sys
print(sys.implementation.name)
print('%d.%d.%d' % sys.version_info[:3])
print(sys.executable)
print(sys.base_prefix)
print(sys.prefix)";

/// What an interpreter says of itself.
#[derive(Debug)]
pub(super) struct Answer {
    /// `cpython`, `pypy`.
    pub(super) implementation: String,
    /// `X.Y.Z`.
    pub(super) version: String,
    /// `sys.executable`.
    pub(super) executable: PathBuf,
    /// `sys.base_prefix`.
    pub(super) base_prefix: PathBuf,
    /// `sys.prefix`: another one in a virtual environment.
    pub(super) prefix: PathBuf,
}

/// Asks a Python once, for so many times [`TIME_LIMIT`]. `Err` is the reason in words.
pub(super) fn ask(program: &Path, cwd: &Path, time_scale: u32) -> Result<Answer, String> {
    let text = run(program, &["-I", "-c", QUESTION], cwd, "Python 3", time_scale)?;
    parse(&text).ok_or_else(|| "gave an answer that is not Python's".to_owned())
}

/// Runs `program` once, which should be a `language`; what it printed.
pub(super) fn run(
    program: &Path,
    arguments: &[&str],
    cwd: &Path,
    language: &str,
    time_scale: u32,
) -> Result<String, String> {
    let limit = TIME_LIMIT.saturating_mul(time_scale.max(1));
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if cwd.is_dir() {
        command.current_dir(cwd);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot be run: {error}"))?;
    let stdout = child.stdout.take().expect("stdout was asked for as a pipe");

    // A thread because the pipe has no time limit of its own. If the limit strikes it ends when the
    // pipe's last writer does; the receiver is gone by then and its send is let go.
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(ANSWER_LIMIT_BYTES).read_to_string(&mut text);
        let _ = sender.send(read.map(|_| text));
    });
    let answer = receiver.recv_timeout(limit);
    if answer.is_err() {
        // Already gone is as good as killed.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("cannot be waited for: {error}"))?;
    let text = match answer {
        Ok(read) => read.map_err(|error| format!("gave no readable answer: {error}"))?,
        Err(_) => return Err(format!("did not answer within {} s", limit.as_secs())),
    };
    if !status.success() {
        return Err(format!("is no {language} that works ({status})"));
    }
    Ok(text)
}

fn parse(text: &str) -> Option<Answer> {
    let mut lines = text.lines();
    Some(Answer {
        implementation: lines.next()?.to_owned(),
        version: lines.next()?.to_owned(),
        executable: lines.next()?.into(),
        base_prefix: lines.next()?.into(),
        prefix: lines.next()?.into(),
    })
}
