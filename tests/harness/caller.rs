//! One kept connection to a host, with as little CPU as can be: for load, where a client library would
//! be what is measured.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{default_minor, zip_bytes};

/// Between two looks at a function that is not active yet.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);
const FUNCTIONS: &str = "/2015-03-31/functions";

/// A connection.
pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `X-Amz-Function-Error`.
    pub(crate) function_error: bool,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Caller {
    /// Connects. A host that is gone is an error's text, here and below.
    pub(crate) async fn connect(port: u16) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(words)?;
        stream.set_nodelay(true).map_err(words)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(words)?;
        // Its error is the sender's, too.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender })
    }

    /// One request and its whole answer.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a test's own request");
        self.sender.ready().await.map_err(words)?;
        let response = self.sender.send_request(request).await.map_err(words)?;
        let status = response.status().as_u16();
        let function_error = response.headers().contains_key("x-amz-function-error");
        let body = response.into_body().collect().await.map_err(words)?.to_bytes();
        Ok(Answer { status, function_error, body })
    }

    /// Invokes, and waits for the function's answer.
    pub(crate) async fn invoke(&mut self, name: &str, event: &Value) -> Result<Answer, String> {
        let path = format!("{FUNCTIONS}/{name}/invocations");
        self.ask("POST", &path, &[], event.to_string()).await
    }

    /// Invokes with `InvocationType=Event`.
    pub(crate) async fn send(&mut self, name: &str, event: &Value) -> Result<Answer, String> {
        let path = format!("{FUNCTIONS}/{name}/invocations");
        self.ask("POST", &path, &[("x-amz-invocation-type", "Event")], event.to_string()).await
    }

    /// Makes a Python function of source text, and waits until it is active.
    pub(crate) async fn create(&mut self, name: &str, source: &str, more: &Value) {
        let made = self.ask("POST", FUNCTIONS, &[], members(name, source, more)).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        self.active(name).await;
    }

    /// The same, not waited for; of a host that may go.
    pub(crate) async fn try_create(&mut self, name: &str, source: &str) -> Result<Answer, String> {
        self.ask("POST", FUNCTIONS, &[], members(name, source, &json!({}))).await
    }

    /// Gives a function other code; does not wait for it.
    pub(crate) async fn update(&mut self, name: &str, source: &str) -> Result<Answer, String> {
        let members = json!({ "ZipFile": package(source) });
        self.ask("PUT", &format!("{FUNCTIONS}/{name}/code"), &[], members.to_string()).await
    }

    /// Waits until a function serves what it was last given.
    pub(crate) async fn active(&mut self, name: &str) {
        let path = format!("{FUNCTIONS}/{name}/configuration");
        loop {
            let found = self.ask("GET", &path, &[], "").await.unwrap().json();
            match (found["State"].as_str(), found["LastUpdateStatus"].as_str()) {
                (Some("Active"), Some("Successful")) => return,
                (Some("Failed"), _) | (_, Some("Failed")) | (None, _) => panic!("{found}"),
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }
}

/// What CreateFunction is asked with.
fn members(name: &str, source: &str, more: &Value) -> String {
    let mut members = json!({
        "FunctionName": name,
        "Runtime": format!("python3.{}", default_minor()),
        "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Timeout": 60,
        "Code": { "ZipFile": package(source) },
    });
    for (member, value) in more.as_object().into_iter().flatten() {
        members[member] = value.clone();
    }
    members.to_string()
}

fn package(source: &str) -> String {
    STANDARD.encode(zip_bytes(&[("app.py", source.as_bytes(), 0o644)]))
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
