//! A server under test and a client that hides nothing: it sends the bytes it is given.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::model::{AnswerAt, Function, Invocation, LogFormat, LogLevels, RequestId};
use crate::runtime_api::{Extending, Peer, RuntimeApi, ServedCredentials, Signal};

pub(super) const ID: &str = "8f5c1c1e-0000-4000-8000-000000000001";
/// Long after anything here is over; reached only by a failure.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Server {
    pub(super) api: RuntimeApi,
    pub(super) signals: mpsc::Receiver<Signal>,
    pub(super) address: SocketAddr,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::start_for(Peer::Any)
    }

    pub(super) fn start_for(peer: Peer) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, signals) = mpsc::channel(8);
        let extending = Extending::Enabled { external: &[], sockets: None };
        let api = RuntimeApi::serve(listener, peer, &function(), extending, None, sender).unwrap();
        Self { api, signals, address }
    }

    /// One whose environment has external extensions of these names, or none of any kind.
    pub(super) fn extended(extending: Extending<'_>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, signals) = mpsc::channel(64);
        let api =
            RuntimeApi::serve(listener, Peer::Any, &function(), extending, None, sender).unwrap();
        Self { api, signals, address }
    }

    /// One of a function with a snapshot.
    pub(super) fn snapshot(credentials: Option<ServedCredentials>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, signals) = mpsc::channel(8);
        let extending = Extending::Enabled { external: &[], sockets: None };
        let function =
            Function { initialization: crate::model::Initialization::SnapStart, ..function() };
        let api = RuntimeApi::serve(listener, Peer::Any, &function, extending, credentials, sender);
        Self { api: api.unwrap(), signals, address }
    }

    pub(super) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, unread: Vec::new() }
    }

    pub(super) async fn signal(&mut self) -> Signal {
        let signal = tokio::time::timeout(PATIENCE, self.signals.recv());
        signal.await.expect("a signal in time").expect("the server lives")
    }

    /// Assigns an invocation and has the runtime take it.
    pub(super) async fn run(&mut self, client: &mut Client, id: &str) {
        self.api.assign(invocation(id)).unwrap();
        assert_eq!(client.get("runtime/invocation/next").await.status, 200);
        while !matches!(self.signal().await, Signal::Handed { .. }) {}
    }
}

fn function() -> Function {
    Function {
        name: "hello".to_owned(),
        version: "$LATEST".to_owned(),
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        runtime: "python3.11".to_owned(),
        handler: "app.handler".to_owned(),
        memory_mb: 128,
        timeout: Duration::from_secs(3),
        ephemeral_storage_mb: 512,
        log_format: LogFormat::Text,
        log_group: String::new(),
        log_levels: LogLevels::default(),
        tracing: crate::model::TracingMode::PassThrough,
        initialization: crate::model::Initialization::OnDemand,
        max_concurrency: None,
        environment: BTreeMap::new(),
    }
}

pub(super) fn invocation(id: &str) -> Invocation {
    Invocation {
        request_id: RequestId(id.to_owned()),
        attempt_id: format!("attempt-of-{id}"),
        payload: Bytes::from_static(b"{\"name\":\"Ada\"}"),
        content_type: "application/json".to_owned(),
        arn: "arn:aws:lambda:us-east-1:000000000000:function:hello".to_owned(),
        timeout: Duration::from_secs(3),
        deadline_epoch_ms: 1_700_000_000_123,
        trace_id: None,
        client_context: None,
        cognito_identity: None,
        tenant_id: None,
        stream_to: None,
        traced: crate::model::Traced::alone(std::time::SystemTime::now()),
        answer_at: AnswerAt::Report,
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (given, value) = line.split_once(": ")?;
            given.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn error_type(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        json["errorType"].as_str().unwrap().to_owned()
    }
}

pub(super) struct Client {
    pub(super) stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// One answer; `None` if the server closed instead.
    pub(super) async fn try_answer(&mut self) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.unread.drain(..head_end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            self.more().await?;
        }
        answer.body = self.unread.drain(..length).collect();
        Some(answer)
    }

    pub(super) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer before the connection closed")
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET /2018-06-01/{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
        self.answer().await
    }

    pub(super) async fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut request = format!(
            "POST /2018-06-01/{path} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        self.send(&request).await;
        self.answer().await
    }

    /// Posts while the answer's status is one of `again`'s.
    pub(super) async fn post_while(
        &mut self,
        path: &str,
        headers: &str,
        body: &[u8],
        again: impl Fn(u16) -> bool,
    ) -> Answer {
        let answered = tokio::time::timeout(PATIENCE, async {
            loop {
                let answer = self.post(path, headers, body).await;
                if !again(answer.status) {
                    return answer;
                }
            }
        });
        answered.await.expect("another answer in time")
    }

    /// True once the server has closed; whatever it still sends is thrown away.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.unread.clear();
        while self.more().await.is_some() {
            self.unread.clear();
        }
        true
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer));
        match read.await.expect("bytes in time") {
            Ok(0) | Err(_) => None,
            Ok(bytes) => {
                self.unread.extend(&buffer[..bytes]);
                Some(())
            }
        }
    }
}

pub(super) fn response_path(id: &str) -> String {
    format!("runtime/invocation/{id}/response")
}

pub(super) fn error_path(id: &str) -> String {
    format!("runtime/invocation/{id}/error")
}
