//! The program under test: started, watched, signalled, and what it left on its two outputs.
//!
//! Outputs go to files, so a process that outlives the program cannot hang a test, and a test may look
//! at what was written so far.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;

use super::leftovers::{Shared, shared};
use super::machine;
use super::{Client, Function, Report, ordinary_user, vendored, wait_until};

/// How long any run may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Another program than the one built beside the tests: `scripts/soak` measures what users run.
const PROGRAM: &str = "LAMBDABOX_TEST_PROGRAM";

/// The program.
pub(crate) fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::var_os(PROGRAM).map_or(env!("CARGO_BIN_EXE_lambdabox").into(), PathBuf::from)
    });
    &BINARY
}

/// Takes the tester's own settings out of a command's environment.
pub(crate) fn quiet_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = ["AWS_", "LAMBDABOX_", "PYTHON", "NODE_", "NO_COLOR", "CLICOLOR"];
        if ours.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

/// A command line being put together.
pub(crate) struct Invoke {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    removed: Vec<OsString>,
    stdin: Option<Vec<u8>>,
    cwd: Option<PathBuf>,
    data: Option<PathBuf>,
    alone: bool,
    user: User,
    through: Vec<OsString>,
    setup: Option<String>,
}

/// Who runs the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    Tester,
    Ordinary,
}

/// `lambdabox` with these arguments.
pub(crate) fn lambdabox<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Invoke {
    Invoke {
        arguments: arguments.into_iter().map(|a| a.as_ref().to_owned()).collect(),
        environment: Vec::new(),
        removed: Vec::new(),
        stdin: None,
        cwd: None,
        data: None,
        alone: false,
        user: User::Tester,
        through: Vec::new(),
        setup: None,
    }
}

/// `lambdabox invoke` of a function's directory.
pub(crate) fn invoke(function: &Function) -> Invoke {
    lambdabox([OsStr::new("invoke"), function.path().as_os_str()])
}

impl Invoke {
    /// Adds arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, more: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(more.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Adds `--event TEXT`.
    pub(crate) fn event(self, event: impl AsRef<OsStr>) -> Self {
        self.args([OsStr::new("--event"), event.as_ref()])
    }

    /// Sets a variable of the program's own environment (not the function's).
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Takes a variable out of the program's own environment.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.removed.push(name.into());
        self
    }

    /// Feeds standard input.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Runs in this directory.
    pub(crate) fn cwd(mut self, dir: &Path) -> Self {
        self.cwd = Some(dir.to_owned());
        self
    }

    /// Uses this data directory instead of one of its own.
    pub(crate) fn data(mut self, dir: &Path) -> Self {
        self.data = Some(dir.to_owned());
        self
    }

    /// For tests that already hold the machine alone ([`super::alone`]).
    pub(crate) fn while_alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Runs as an ordinary user without any right of its own ([`ordinary_user`]). What the arguments
    /// name below the directory for temporary files is given to that user.
    #[expect(clippy::wrong_self_convention, reason = "the words of a sentence, not a conversion")]
    pub(crate) fn as_user(mut self) -> Self {
        self.user = User::Ordinary;
        self
    }

    /// Lets another program start it: a command line that is followed by the program's own.
    pub(crate) fn through<S: AsRef<OsStr>>(mut self, line: impl IntoIterator<Item = S>) -> Self {
        self.through = line.into_iter().map(|a| a.as_ref().to_owned()).collect();
        self
    }

    /// Runs in a mount namespace of its own that root's shell has changed by `script`, started through
    /// `wrapper` if it is not empty: a container's likeness. Needs root.
    pub(crate) fn inside(mut self, script: &str, wrapper: &[&str]) -> Self {
        self.setup = Some(script.to_owned());
        self.through(wrapper)
    }

    /// Chooses the language loop.
    pub(crate) fn client(self, client: Client) -> Self {
        match client {
            Client::Managed => self.args(["--runtime-client", "managed"]),
            Client::Official => {
                let layer = vendored("awslambdaric-layer", "python", &["awslambdaric==4.2.2"]);
                let layer = layer.expect("the official client can be had from the package index");
                self.args(["--runtime-client", "official", "--layer"]).args([layer])
            }
        }
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let shared = (!self.alone).then(shared);
        let own = tempfile::Builder::new().prefix("e2e-data-").tempdir().unwrap();
        let out = tempfile::NamedTempFile::new().unwrap();
        let err = tempfile::NamedTempFile::new().unwrap();
        let program = match self.user {
            User::Tester => binary(),
            User::Ordinary => ordinary_user::program(binary()),
        };
        let mut line: Vec<OsString> = Vec::new();
        if let Some(script) = &self.setup {
            line.extend(
                ["unshare", "--mount", "--propagation", "private", "sh", "-ec"].map(Into::into),
            );
            line.extend([format!("{script}\nexec \"$@\"").into(), "sh".into()]);
            if self.user == User::Ordinary {
                let id = ordinary_user::uid().to_string();
                line.extend(
                    ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"].map(Into::into),
                );
            }
        }
        line.extend(self.through.iter().cloned());
        line.push(program.into());
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]);
        quiet_environment(&mut command);
        command.env("LAMBDABOX_DATA_DIR", self.data.as_deref().unwrap_or(own.path()));
        command.envs(machine::settings());
        if self.user == User::Ordinary {
            let mut paths: Vec<PathBuf> = self.arguments.iter().map(PathBuf::from).collect();
            paths.extend(self.data.clone());
            ordinary_user::become_user(&mut command, own.path(), &paths);
            if self.setup.is_some() {
                // The script is root's; who follows it is the user.
                command.uid(0).gid(0);
            }
        }
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        for name in &self.removed {
            command.env_remove(name);
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        let stdin = match &self.stdin {
            None => Stdio::null(),
            Some(bytes) => {
                let path = own.path().join("stdin-of-the-test");
                std::fs::write(&path, bytes).unwrap();
                let file = File::open(&path).unwrap();
                std::fs::remove_file(path).unwrap();
                file.into()
            }
        };
        let mut arguments = self.arguments;
        machine::stretch_timeouts(&mut arguments);
        let child = command
            .args(&arguments)
            .stdin(stdin)
            .stdout(out.reopen().unwrap())
            .stderr(err.reopen().unwrap())
            .spawn()
            .expect("the program starts");
        Running { child, out, err, own, shared, started: Instant::now() }
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Run {
        self.start().wait()
    }
}

/// A program that was started.
pub(crate) struct Running {
    child: Child,
    out: tempfile::NamedTempFile,
    err: tempfile::NamedTempFile,
    /// Data directory; removed after the program is gone.
    own: TempDir,
    /// Keeps tests that count leftovers away; `None` if this test is one.
    shared: Option<Shared>,
    started: Instant,
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(self.pid(), signal).unwrap();
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr_so_far(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.err.path()).unwrap()).into_owned()
    }

    /// Waits until standard error holds this text; panics with what there is if it never does.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let seen = wait_until(Duration::from_secs(60), || self.stderr_so_far().contains(text));
        assert!(seen, "the log never held {text:?}:\n{}", self.stderr_so_far());
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Run {
        self.wait_for(PATIENCE)
    }

    /// Waits for its end so long.
    pub(crate) fn wait_for(mut self, patience: Duration) -> Run {
        let mut status = None;
        let ended = wait_until(patience, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let wall = machine::shrunk(self.started.elapsed());
        if !ended {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            panic!("the program did not end in {patience:?}; its log:\n{}", self.stderr_so_far());
        }
        let run = Run {
            status: status.expect("it ended"),
            stdout: std::fs::read(self.out.path()).unwrap(),
            stderr: self.stderr_so_far(),
            wall,
        };
        drop(self.own);
        drop(self.shared);
        run
    }
}

/// A program that ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Standard output, bytes unchanged.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: String,
    /// Time from start to end, as on an ordinary machine.
    pub(crate) wall: Duration,
}

impl Run {
    /// Exit code; -1 after a signal.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Asserts the exit code, with both outputs in the message.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            code,
            "exit code; stdout:\n{}\nstderr:\n{}",
            self.text().chars().take(2_000).collect::<String>(),
            self.stderr.chars().take(8_000).collect::<String>()
        );
        self
    }

    /// Asserts that the function answered.
    #[track_caller]
    pub(crate) fn answered(self) -> Self {
        self.expect_code(0)
    }

    /// Asserts that the function failed with this error type, for the caller.
    #[track_caller]
    pub(crate) fn failed_with(self, error_type: &str) -> Self {
        let run = self.expect_code(1);
        let body = run.json();
        assert_eq!(body["errorType"], error_type, "{body}\n{}", run.stderr);
        run
    }

    /// Asserts that the command was refused before anything ran: code 2, no response, no START, and an
    /// explanation that holds each of these texts.
    #[track_caller]
    pub(crate) fn refused(self, explanation: &[&str]) -> Self {
        let run = self.expect_code(2);
        assert!(run.stdout.is_empty(), "a refused command has no response: {}", run.text());
        assert!(!run.stderr.contains("START RequestId"), "nothing ran: {}", run.stderr);
        assert!(!run.stderr.contains("panicked"), "an error, not a panic: {}", run.stderr);
        run.said(explanation)
    }

    /// Asserts that standard error holds each of these texts, whatever their case.
    #[track_caller]
    pub(crate) fn said(self, texts: &[&str]) -> Self {
        let log = self.stderr.to_lowercase();
        for text in texts {
            assert!(log.contains(&text.to_lowercase()), "stderr lacks {text:?}:\n{}", self.stderr);
        }
        self
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|e| {
            panic!("stdout is not JSON ({e}): {}\n{}", self.text(), self.stderr)
        })
    }

    /// The REPORT lines.
    pub(crate) fn reports(&self) -> Vec<Report> {
        Report::all(&self.stderr)
    }

    /// The only REPORT line.
    #[track_caller]
    pub(crate) fn report(&self) -> Report {
        let mut reports = self.reports();
        assert_eq!(reports.len(), 1, "one REPORT line:\n{}", self.stderr);
        reports.remove(0)
    }

    /// Lines between START and END of the first invocation: what the function wrote.
    pub(crate) fn function_log(&self) -> String {
        let lines = self.stderr.lines().skip_while(|line| !line.starts_with("START RequestId"));
        let lines = lines.skip(1).take_while(|line| !line.starts_with("END RequestId"));
        lines.collect::<Vec<_>>().join("\n")
    }
}
