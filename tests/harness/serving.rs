//! A host ([`Host`]) of tests about its pool: a short way to deploy and call, and what the pool says.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Host, Run, default_minor, e2e_venv, short_timeout_secs, stretched, wait_until};

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// AWS's, for a function that says none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// A host that answers; all that [`Host`] can do, too.
pub(crate) struct Serving(Host);

impl Deref for Serving {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

/// What every script begins with, after `TIMEOUT`, which is there so that nothing is cut off, and `SHORT`,
/// which is there to be met. `deploy` makes a function of source text and waits for it.
const PRELUDE: &str = "
import boto3, io, json, sys, threading, time, zipfile
from botocore.config import Config
from concurrent.futures import ThreadPoolExecutor
client = boto3.client('lambda',
    config=Config(retries={'max_attempts': 0}, read_timeout=900, max_pool_connections=100))
def package(source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('app.py', source)
    return buffer.getvalue()
def deploy(name, source, **more):
    more.setdefault('Timeout', TIMEOUT)
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
        Self(Host::start(data, arguments))
    }

    /// The same with variables of its own.
    pub(crate) fn start_with(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self(Host::start_with(data, arguments, variables))
    }

    /// The same, for tests that hold the machine alone.
    pub(crate) fn start_alone(data: &Path, arguments: &[&str]) -> Self {
        Self(Host::start_while_alone(data, arguments))
    }

    /// Runs a script that prints one JSON value; panics with the host's log if it fails.
    #[track_caller]
    pub(crate) fn boto3(&self, script: &str) -> Value {
        let (timeout, short) = (stretched(DEFAULT_TIMEOUT).as_secs(), short_timeout_secs(2));
        let known =
            format!("RUNTIME = '3.{}'\nTIMEOUT = {timeout}\nSHORT = {short}\n", default_minor());
        let script = format!("{known}{PRELUDE}{script}");
        serde_json::from_str(&self.python_alone(&script)).expect("it prints JSON")
    }

    /// What the pool does, as the operator sees it.
    pub(crate) fn pool(&self) -> Value {
        pool_of(&self.0)
    }

    /// Waits until the pool is as asked.
    #[track_caller]
    pub(crate) fn wait_for_pool(&self, is_so: impl Fn(&Value) -> bool) {
        let seen = wait_until(PATIENCE, || is_so(&self.pool()));
        assert!(seen, "{}\n{}", self.pool(), self.log());
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn end(self) -> Run {
        self.0.end()
    }

    /// Ends it as the kernel would.
    pub(crate) fn kill(self) -> Run {
        self.signal(Signal::SIGKILL);
        self.0.wait()
    }
}

/// Whether AWS's client is there; else the reason.
pub(crate) fn boto3_is_there() -> Result<(), String> {
    let python = e2e_venv().join("bin/python");
    let found = Command::new(&python).args(["-c", "import boto3"]).output();
    match found {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("no boto3 in {} (scripts/test makes it)", python.display())),
    }
}

/// What the pool of a host does, as the operator sees it.
pub(crate) fn pool_of(host: &Host) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", host.admin)).unwrap();
    let request = "GET /pool HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
