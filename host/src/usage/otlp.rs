//! Spans on their way to an OpenTelemetry collector: OTLP by HTTP, as protobuf.
//!
//! # Invariants
//! - No invocation waits: what finds the queue full is dropped, counted and said.
//! - A batch is sent at least once, or counted as dropped.
//!
//! # Sources
//! OpenTelemetry protocol specification 1.x: `/v1/traces`, which answers are tried again; the defaults
//! of its batch span processor (512 of 2,048 at a time, ten seconds each).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::spans::text;
use super::{Metrics, Say};
use crate::config::Collector;
use crate::model::{Function, Report, with_causes};

/// Invocations whose spans wait; each has five at most.
const WAITING: usize = 2_048;
const BATCH_SPANS: usize = 512;
/// How long a span waits for others.
const BATCH_WITHIN: Duration = Duration::from_secs(1);
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// Pauses before a batch is sent again; after the last it is dropped.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// How often it is said that spans are lost.
const SAID_EVERY: Duration = Duration::from_secs(30);
/// What the end waits for spans.
const LAST_WITHIN: Duration = Duration::from_secs(2);

/// Takes spans; a handle on what sends them.
#[derive(Debug, Clone)]
pub struct SpanExporter {
    waiting: mpsc::Sender<Vec<Span>>,
    dropped: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

/// Sends spans until the last handle is gone.
#[derive(Debug)]
pub struct Sending(JoinHandle<()>);

impl SpanExporter {
    /// Begins to send. Must be called within a tokio runtime.
    pub fn start(collector: Collector, metrics: Arc<Metrics>, say: Say) -> (Self, Sending) {
        let (waiting, spans) = mpsc::channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let exporter =
            Self { waiting, dropped: Arc::clone(&dropped), metrics: Arc::clone(&metrics) };
        let sender = Sender {
            headers: headers(&collector),
            collector,
            client: Client::builder(TokioExecutor::new()).build_http(),
            dropped,
            metrics,
            say,
            said_at: None,
            why: None,
        };
        (exporter, Sending(tokio::spawn(sender.run(spans))))
    }

    /// Has the spans of an invocation sent, some time.
    pub fn report(&self, function: &Function, stream: &str, report: &Report) {
        let Some(times) = &report.timeline else { return };
        self.send(super::spans::of(function, stream, report, times));
    }

    fn send(&self, spans: Vec<Span>) {
        let count = spans.len();
        if self.waiting.try_send(spans).is_err() {
            lost(count, &self.dropped, &self.metrics);
        }
    }
}

impl Sending {
    /// Waits for what is left, not for long. All handles must be gone.
    pub async fn finish(self) {
        let Self(mut task) = self;
        if tokio::time::timeout(LAST_WITHIN, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Sender {
    collector: Collector,
    headers: HeaderMap,
    client: Client<HttpConnector, Full<Bytes>>,
    /// Not said yet.
    dropped: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    say: Say,
    said_at: Option<Instant>,
    /// Why the last batch was dropped.
    why: Option<String>,
}

impl Sender {
    async fn run(mut self, mut waiting: mpsc::Receiver<Vec<Span>>) {
        while let Some(first) = waiting.recv().await {
            let mut batch = first;
            let sent_at = Instant::now() + BATCH_WITHIN;
            while batch.len() < BATCH_SPANS {
                // Closed, or enough was waited for: what there is goes.
                match tokio::time::timeout_at(sent_at, waiting.recv()).await {
                    Ok(Some(more)) => batch.extend(more),
                    Ok(None) | Err(_) => break,
                }
            }
            let count = batch.len();
            if let Err(why) = self.deliver(batch).await {
                lost(count, &self.dropped, &self.metrics);
                self.why = Some(why);
            }
            self.say_what_is_lost();
        }
        self.said_at = None;
        self.say_what_is_lost();
    }

    /// `Err` says why the collector did not take it.
    async fn deliver(&self, batch: Vec<Span>) -> Result<(), String> {
        let body = Bytes::from(request(batch).encode_to_vec());
        let mut pauses = PAUSES.into_iter();
        loop {
            let failed = match self.post(body.clone()).await {
                Ok(status) if status.is_success() => return Ok(()),
                Ok(status) if !may_pass(status) => return Err(format!("it answered {status}")),
                Ok(status) => format!("it answered {status}"),
                Err(why) => why,
            };
            match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failed),
            }
        }
    }

    async fn post(&self, body: Bytes) -> Result<StatusCode, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.collector.url.parse().map_err(|error| format!("{error}"))?;
        *request.headers_mut() = self.headers.clone();
        let answered = tokio::time::timeout(TAKEN_WITHIN, self.client.request(request)).await;
        match answered {
            Ok(Ok(answer)) => Ok(answer.status()),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(_) => Err(format!("it did not answer within {} s", TAKEN_WITHIN.as_secs())),
        }
    }

    fn say_what_is_lost(&mut self) {
        if self.said_at.is_some_and(|at| at.elapsed() < SAID_EVERY) {
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped == 0 {
            return;
        }
        self.said_at = Some(Instant::now());
        let url = &self.collector.url;
        let why =
            self.why.take().unwrap_or_else(|| "they come faster than it takes them".to_owned());
        self.say.warning(&format!("{dropped} spans are lost: {url} did not take them: {why}"));
    }
}

fn lost(spans: usize, dropped: &AtomicU64, metrics: &Metrics) {
    let spans = u64::try_from(spans).unwrap_or(u64::MAX);
    dropped.fetch_add(spans, Ordering::Relaxed);
    metrics.spans_lost(spans);
}

/// Answers that the specification has tried again.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn headers(collector: &Collector) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("lambdabox/", env!("CARGO_PKG_VERSION"))),
    );
    for (name, value) in &collector.headers {
        // One that HTTP cannot carry is left out: the collector says what it misses.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    headers
}

fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource = Resource {
        attributes: vec![
            text("service.name", "lambdabox"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ],
        ..Resource::default()
    };
    let scope =
        InstrumentationScope { name: "lambdabox".to_owned(), ..InstrumentationScope::default() };
    let scoped = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scoped],
            ..ResourceSpans::default()
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Color, Verbosity};

    #[tokio::test]
    async fn what_finds_the_queue_full_is_dropped_and_counted_and_nobody_waits() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", silent.local_addr().unwrap());
        let metrics = Arc::new(Metrics::new());
        let say = Say::new(Color::Never, Verbosity::Quiet);
        let collector = Collector { url, headers: Vec::new() };
        let (exporter, sending) = SpanExporter::start(collector, Arc::clone(&metrics), say);
        // Nothing runs in between: this test has the only thread.
        for _ in 0..WAITING + 10 {
            exporter.send(vec![Span::default(); 3]);
        }
        assert_eq!(exporter.dropped.load(Ordering::Relaxed), 30);
        let told = metrics.spans_lost_so_far();
        assert_eq!(told, 30);
        drop(exporter);
        let began = Instant::now();
        sending.finish().await;
        assert!(began.elapsed() < crate::model::patience(LAST_WITHIN * 2), "the end does not wait");
    }
}
