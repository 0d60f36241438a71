//! A `lambdabox serve` of a test's own, and AWS's client for Python against it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Run, Running, e2e_venv, lambdabox, wait_until};

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host that answers.
pub(crate) struct Serving {
    /// Taken by whoever ends it.
    running: Option<Running>,
    endpoint: String,
    admin: String,
}

/// What every script begins with. `deploy` makes a function of source text and waits for it.
const PRELUDE: &str = "
import boto3, io, json, sys, threading, time, zipfile
from botocore.config import Config
from concurrent.futures import ThreadPoolExecutor
endpoint = sys.argv[1]
client = boto3.client('lambda', endpoint_url=endpoint, region_name='us-east-1',
    aws_access_key_id='test', aws_secret_access_key='test',
    config=Config(retries={'max_attempts': 0}, read_timeout=120, max_pool_connections=100))
def package(source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('app.py', source)
    return buffer.getvalue()
def deploy(name, source, **more):
    client.create_function(FunctionName=name, Runtime='python' + RUNTIME, Handler='app.handler',
        Role='arn:aws:iam::000000000000:role/any', Code={'ZipFile': package(source)}, **more)
    client.get_waiter('function_active_v2').wait(FunctionName=name)
def call(name, event=None, **more):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), **more)
    return json.load(answer['Payload'])
";

impl Serving {
    /// Starts one with these arguments, and waits until it answers.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::started(lambdabox(ARGUMENTS).args(arguments).data(data).start())
    }

    /// The same, for tests that hold the machine alone.
    pub(crate) fn start_alone(data: &Path, arguments: &[&str]) -> Self {
        Self::started(lambdabox(ARGUMENTS).args(arguments).data(data).while_alone().start())
    }

    fn started(running: Running) -> Self {
        running.wait_for_log("ready: AWS clients on ");
        let log = running.stderr_so_far();
        let after = |text: &str| {
            let (_, rest) = log.split_once(text).expect("it was waited for");
            let end = rest.find([',', '\n', '/']).unwrap_or(rest.len());
            rest[..end].to_owned()
        };
        let endpoint = format!("http://{}", after("AWS clients on http://"));
        let admin = after("/ready on http://");
        Self { running: Some(running), endpoint, admin }
    }

    /// Runs a script that prints one JSON value; panics with the host's log if it fails.
    #[track_caller]
    pub(crate) fn boto3(&self, script: &str) -> Value {
        let python = e2e_venv().join("bin/python");
        let runtime = format!("RUNTIME = '3.{}'\n", super::default_minor());
        let mut command = Command::new(python);
        super::quiet_environment(&mut command);
        let script = format!("{runtime}{PRELUDE}{script}");
        let output = command.args(["-c", &script, &self.endpoint]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\nthe host:\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the pool does, as the operator sees it.
    pub(crate) fn pool(&self) -> Value {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        let request =
            format!("GET /pool HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Waits until the pool is as asked.
    #[track_caller]
    pub(crate) fn wait_for_pool(&self, is_so: impl Fn(&Value) -> bool) {
        let seen = wait_until(PATIENCE, || is_so(&self.pool()));
        assert!(seen, "{}\n{}", self.pool(), self.log());
    }

    /// Waits until its log holds this.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        self.running().wait_for_log(text);
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        self.running().stderr_so_far()
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn end(self) -> Run {
        self.end_by(Signal::SIGTERM)
    }

    /// Ends it as the kernel would.
    pub(crate) fn kill(self) -> Run {
        self.end_by(Signal::SIGKILL)
    }

    fn end_by(mut self, signal: Signal) -> Run {
        let running = self.running.take().expect("it is ended once");
        running.signal(signal);
        running.wait()
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it is ended with the test")
    }
}

impl Drop for Serving {
    /// A test that failed leaves no host behind.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::SIGTERM);
            running.wait();
        }
    }
}

/// Ports that are free, and no network, whose rules take their time.
const ARGUMENTS: [&str; 7] =
    ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--network", "none"];

/// Whether AWS's client is there; else the reason.
pub(crate) fn boto3_is_there() -> Result<(), String> {
    let python = e2e_venv().join("bin/python");
    let found = Command::new(&python).args(["-c", "import boto3"]).output();
    match found {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("no boto3 in {} (scripts/test makes it)", python.display())),
    }
}
