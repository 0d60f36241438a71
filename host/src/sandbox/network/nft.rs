//! Running `nft`: a script in, or a listing out.
//!
//! # What it costs (measured, kernel 6.18)
//! Loading the table is 3 to 4 ms, 2 of them the program's own start. A script that *deletes*
//! anything is 13 to 20 ms: the deletion takes effect in 0.2 ms, then closing the netlink socket
//! waits for the kernel's destroy worker and its grace period. So nothing is deleted on the way to a
//! first event: `create` fails if a dead process left the slot's table, and only then it is replaced.

use std::{
    env,
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use rustix::fs::{Access, access};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use super::{error::NatError, rules};

/// Where programs are looked for after `PATH`, which for services and `sudo` often lacks them.
const SYSTEM_DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"];

/// Where a program of the network is; `path` is the caller's `PATH`.
pub(super) fn find_program(name: &str, path: Option<OsString>) -> Option<PathBuf> {
    let path = path.unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_DIRECTORIES.map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| program.is_absolute() && access(program, Access::EXEC_OK).is_ok())
}

/// The `nft` program of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Nft {
    /// Where it was found.
    pub(crate) program: PathBuf,
}

impl Nft {
    /// Applies a script as one transaction.
    pub(crate) async fn apply(&self, what: &'static str, script: &str) -> Result<(), NatError> {
        self.run(what, &["-f", "-"], script).await.map(drop)
    }

    /// `nft -j -a list …`, parsed. `-a` adds the handles.
    pub(crate) async fn list(&self, what: &[&str]) -> Result<Value, NatError> {
        let arguments = [&["-j", "-a", "list"], what].concat();
        let printed = self.run("list firewall rules", &arguments, "").await?;
        serde_json::from_slice(&printed).map_err(|source| NatError::Listing { source })
    }

    async fn run(
        &self,
        what: &'static str,
        arguments: &[&str],
        script: &str,
    ) -> Result<Vec<u8>, NatError> {
        let failed = |source| NatError::Run { program: self.program.clone(), source };
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            // A Ctrl-C is for lambdabox, which needs the program to take its rules away.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A script is far below a pipe's 64 KiB; an `nft` that ended early says why on stderr.
            if let Err(error) = stdin.write_all(script.as_bytes()).await
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                return Err(failed(error));
            }
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = complaint(&output);
        Err(NatError::Refused { what, program: self.program.clone(), said })
    }
}

/// Why this kernel or this `nft` does not take our rules; nothing is changed by asking. `None` if it
/// does, or if the program does not run.
pub fn refusal(program: &Path) -> Option<String> {
    let mut child = process::Command::new(program)
        .args(["--check", "-f", "-"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    // One that ended before it had read all says why.
    let _unread = child.stdin.take()?.write_all(rules::table_of_nobody().as_bytes());
    let output = child.wait_with_output().ok()?;
    (!output.status.success()).then(|| complaint(&output))
}

/// The first of its errors; the others follow from it, and under each it repeats the script.
fn complaint(output: &process::Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    match said.lines().map(str::trim).find(|line| !line.is_empty()) {
        // It was killed.
        None => output.status.to_string(),
        Some(line) => line.split_once("Error: ").map_or(line, |(_, error)| error).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nft_is_found_in_the_system_directories_when_path_lacks_them() {
        let by_system = find_program("nft", None);
        assert_eq!(find_program("nft", Some("/nonexistent:relative".into())), by_system);
    }

    #[test]
    fn of_many_errors_the_first_is_told_without_its_place_in_the_script() {
        let refusing =
            "echo '/dev/stdin:1:1-30: Error: Could not process rule: Operation not supported
create table inet x
^^^^^^^^^^^^^^^^^^^
/dev/stdin:2:1-2: Error: No such file or directory' >&2; exit 1";
        let output = |script| process::Command::new("sh").args(["-c", script]).output().unwrap();
        assert_eq!(complaint(&output(refusing)), "Could not process rule: Operation not supported");
        assert_eq!(complaint(&output("kill -9 $$")), "signal: 9 (SIGKILL)");
    }
}
