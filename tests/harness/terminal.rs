//! The program on a terminal, for what it does only there.

use std::ffi::OsStr;
use std::process::Command;

use super::program::quiet_environment;

/// Runs a command line on a pseudo terminal (Python's `pty`); what the terminal showed, and the code.
pub(crate) fn on_a_terminal<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    environment: &[(&str, &str)],
) -> (String, i32) {
    const SPAWN: &str = "import os, pty, sys\n\
                         sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    quiet_environment(&mut command);
    let output = command
        .args(["-c", SPAWN])
        .arg(super::binary())
        .args(arguments)
        .env("TERM", "xterm")
        .env("LAMBDABOX_DATA_DIR", data.path())
        .envs(super::machine::settings())
        .envs(environment.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("python3 runs");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
}
