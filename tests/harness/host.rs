//! `lambdabox serve`, started for a test and ended with it, and AWS's clients that talk to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::program::{Invoke, Running, quiet_environment};
use super::{Run, default_minor, e2e_venv, lambdabox, short_timeout_secs, stretched, wait_until};

/// A function's first start on a busy machine takes less.
const FIRST_START: Duration = Duration::from_secs(30);

/// A host with a data directory, which may outlive it.
pub(crate) struct Host {
    running: Option<Running>,
    /// Where AWS clients are answered.
    pub(crate) port: u16,
    /// Where the operator is answered.
    pub(crate) admin: u16,
}

impl Host {
    /// Starts one with these arguments and waits until it is ready.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::started(data, arguments, |command| command)
    }

    /// The same with variables of its own.
    pub(crate) fn start_with(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::started(data, arguments, |command| {
            variables.iter().fold(command, |command, (name, value)| command.env(name, value))
        })
    }

    /// The same as an ordinary user ([`super::ordinary_user`]), who has no control groups.
    pub(crate) fn start_as_user(data: &Path, arguments: &[&str]) -> Self {
        let without = ["--isolation", "no-limits"];
        Self::started(data, arguments, |command| command.args(without).as_user())
    }

    /// The same, for tests that hold the machine alone.
    pub(crate) fn start_while_alone(data: &Path, arguments: &[&str]) -> Self {
        Self::started(data, arguments, Invoke::while_alone)
    }

    fn started(data: &Path, arguments: &[&str], how: impl FnOnce(Invoke) -> Invoke) -> Self {
        let config = data.join("empty.toml");
        std::fs::create_dir_all(data).unwrap();
        std::fs::write(&config, "").unwrap();
        // Rules of a network take their time.
        let network: &[&str] =
            if arguments.contains(&"--network") { &[] } else { &["--network", "none"] };
        let command = lambdabox(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(network)
            .args(["--config"])
            .args([&config])
            .args(arguments)
            .data(data);
        let running = how(command).start();
        running.wait_for_log("ready: AWS clients on ");
        let log = running.stderr_so_far();
        let port = |after: &str| {
            let (_, rest) = log.split_once(after).expect("the readiness line has it");
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().expect("a port")
        };
        let (port, admin) =
            (port("AWS clients on http://127.0.0.1:"), port("/ready on http://127.0.0.1:"));
        Self { running: Some(running), port, admin }
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.running().stderr_so_far()
    }

    /// Waits until its log holds this.
    pub(crate) fn wait_for_log(&self, text: &str) {
        self.running().wait_for_log(text);
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.running().pid().as_raw()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.running().signal(signal);
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Run {
        self.running.take().expect("it is taken once").wait()
    }

    /// Asks it to end and waits for that.
    pub(crate) fn end(self) -> Run {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Runs a script of AWS's Python client; it must succeed.
    #[track_caller]
    pub(crate) fn python(&self, script: &str) -> String {
        self.python_with(script, &[])
    }

    /// The same with variables for the script.
    #[track_caller]
    pub(crate) fn python_with(&self, script: &str, variables: &[(&str, &str)]) -> String {
        let script = scripted(script);
        let mut command = self.client(&["-c", &script]);
        let output = command.envs(variables.iter().copied()).output().expect("python runs");
        self.succeeded(output)
    }

    /// Runs a script of Python whose answers nobody checks; it must succeed.
    #[track_caller]
    pub(crate) fn python_alone(&self, script: &str) -> String {
        let output = self.client(&["-c", script]).output().expect("python runs");
        self.succeeded(output)
    }

    /// A script that runs beside the test.
    pub(crate) fn python_beside(&self, script: &str) -> std::process::Child {
        let script = scripted(script);
        let piped = std::process::Stdio::piped;
        let mut command = self.client(&["-c", &script]);
        command.stdout(piped()).stderr(piped()).spawn().expect("python runs")
    }

    /// Runs AWS's command line; it must succeed.
    #[track_caller]
    pub(crate) fn aws(&self, arguments: &[&str]) -> String {
        let main = "import sys; from awscli.clidriver import main; sys.exit(main())";
        let output = self.client(&["-c", main]).args(arguments).output().expect("python runs");
        self.succeeded(output)
    }

    /// Runs a program that calls this host by AWS's SDK; it must succeed.
    #[track_caller]
    pub(crate) fn program(&self, program: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        quiet_environment(&mut command);
        command.args(arguments).env("AWS_ENDPOINT_URL_LAMBDA", self.url());
        command.env("AWS_ACCESS_KEY_ID", "anything").env("AWS_SECRET_ACCESS_KEY", "anything");
        command.env("AWS_REGION", "us-east-1");
        self.succeeded(command.output().expect("the program runs"))
    }

    /// Where AWS clients are answered.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn client(&self, arguments: &[&str]) -> Command {
        client_of(self.port, arguments)
    }

    #[track_caller]
    fn succeeded(&self, output: Output) -> String {
        assert!(
            output.status.success(),
            "{}\n{}\nthe host's log:\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        String::from_utf8(output.stdout).expect("it prints text")
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs until it is waited for")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.signal(Signal::SIGTERM);
        // Twice: a test that failed does not wait for what it left running.
        let ending =
            wait_until(Duration::from_secs(5), || running.stderr_so_far().contains("ending: "));
        if ending {
            running.signal(Signal::SIGTERM);
        }
        let _ended = running.wait();
    }
}

/// Where the checking client is.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/service")
}

fn scripted(script: &str) -> String {
    format!("from checked import *\nc = client()\n{script}")
}

/// AWS's Python client with this script, against a host that a test has started by itself.
pub(crate) fn python_client_of(port: u16, script: &str) -> Command {
    client_of(port, &["-c", &scripted(script)])
}

fn client_of(port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(e2e_venv().join("bin/python"));
    quiet_environment(&mut command);
    command
        .args(arguments)
        .env("PYTHONPATH", fixtures())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LAMBDABOX_PORT", port.to_string())
        .env("LAMBDABOX_TIMEOUT_SECS", stretched(FIRST_START).as_secs().min(900).to_string())
        .env("LAMBDABOX_SHORT_TIMEOUT_SECS", short_timeout_secs(2).to_string())
        .env("LAMBDABOX_PYTHON", format!("python3.{}", default_minor()))
        .env("AWS_ENDPOINT_URL_LAMBDA", format!("http://127.0.0.1:{}", port))
        .env("AWS_ACCESS_KEY_ID", "anything")
        .env("AWS_SECRET_ACCESS_KEY", "anything")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("AWS_PAGER", "");
    command
}
