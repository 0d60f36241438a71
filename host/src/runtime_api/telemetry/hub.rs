//! Who gets which events, and what was before they came.
//!
//! # Invariants
//! - A push never waits, whatever subscribers do.
//! - Events of init are kept, within a bound, until nobody can subscribe any more.
//! - Dropping it ends every delivery.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::call::Api;
use super::deliver::{Mailbox, deliver};
use super::event::{Described, is_sampled, render, stream_of};
use super::gate::Phase;
use super::sockets::Sockets;
use super::subscription::{Stream, Subscription};
use crate::model::{Event, Function, Invocation, LogFormat, RequestId, new_span};

/// Most of init's output that is kept for those who subscribe late.
const PAST_MOST_BYTES: usize = 1024 * 1024;
/// And how many events, which have a size of their own.
const PAST_MOST_EVENTS: usize = 10_000;
/// States of a subscription, in AWS's words.
const SUBSCRIBED: &str = "Subscribed";
const ALREADY_SUBSCRIBED: &str = "Already subscribed";

/// An event and when it was.
#[derive(Debug, Clone)]
struct Stamped {
    event: Event,
    at: Timestamp,
}

/// What may still come.
#[derive(Debug)]
enum Intake {
    /// Extensions may subscribe, and hear of all that was.
    Open { past: VecDeque<Stamped>, bytes: usize },
    /// Init is over.
    Closed,
}

#[derive(Debug)]
struct Subscriber {
    extension: Uuid,
    subscription: Subscription,
    mailbox: Arc<Mailbox>,
    delivering: AbortHandle,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.delivering.abort();
    }
}

/// What an invocation's events say of its trace.
#[derive(Debug)]
struct Trace {
    /// X-Ray's header.
    header: String,
    /// The invocation's own span, where it is sampled.
    span_id: Option<String>,
}

#[derive(Debug)]
struct State {
    intake: Intake,
    subscribers: Vec<Subscriber>,
    /// Of invocations that are not reported yet.
    traces: HashMap<RequestId, Trace>,
}

/// Telemetry of one environment's processes.
#[derive(Debug)]
pub(crate) struct Hub {
    function_name: String,
    function_version: String,
    log_format: LogFormat,
    of_many: Option<String>,
    initialization_type: &'static str,
    instance_id: String,
    memory_bytes: u64,
    state: Mutex<State>,
    gate: watch::Sender<Phase>,
    pub(crate) sockets: Sockets,
}

impl Hub {
    pub(crate) fn new(function: &Function, sockets: Sockets) -> Self {
        let today = jiff::Timestamp::now().strftime("%Y/%m/%d");
        let (name, version) = (function.name.clone(), function.version.clone());
        let random = Uuid::new_v4().simple();
        Self {
            instance_id: format!("{today}/{name}[{version}]{random}"),
            function_name: name,
            function_version: version,
            log_format: function.log_format,
            of_many: function.max_concurrency.map(|_| function.arn()),
            initialization_type: function.initialization_type(),
            memory_bytes: u64::from(function.memory_mb) * 1024 * 1024,
            state: Mutex::new(State {
                intake: Intake::Open { past: VecDeque::new(), bytes: 0 },
                subscribers: Vec::new(),
                traces: HashMap::new(),
            }),
            gate: watch::channel(Phase::Running).0,
            sockets,
        }
    }

    /// Tells everybody who wants to know of something that happened.
    pub(crate) fn push(&self, event: &Event, at: Timestamp) {
        let mut state = self.state();
        let State { intake, subscribers, traces } = &mut *state;
        if let Intake::Open { past, bytes } = intake {
            let size = match event {
                Event::Log(line) => line.text.len(),
                _ => 0,
            };
            if *bytes + size <= PAST_MOST_BYTES && past.len() < PAST_MOST_EVENTS {
                *bytes += size;
                past.push_back(Stamped { event: event.clone(), at });
            }
        }
        let now = Instant::now();
        for subscriber in subscribers.iter() {
            self.send(subscriber, event, at, traces, now);
        }
        if let Event::Report(report) = event {
            traces.remove(&report.request_id);
        }
    }

    fn send(
        &self,
        subscriber: &Subscriber,
        event: &Event,
        at: Timestamp,
        traces: &HashMap<RequestId, Trace>,
        now: Instant,
    ) {
        if !subscriber.subscription.types.contains(&stream_of(event)) {
            return;
        }
        let trace = request_of(event).and_then(|id| traces.get(id));
        let about = Described {
            function_name: &self.function_name,
            function_version: &self.function_version,
            instance: Some((&self.instance_id, self.memory_bytes)),
            of_many: self.of_many.as_deref(),
            trace_id: trace.map(|trace| trace.header.as_str()),
            span_id: trace.and_then(|trace| trace.span_id.as_deref()),
            initialization_type: self.initialization_type,
        };
        let schema = subscriber.subscription.schema;
        if let Some(text) = render(event, at, schema, self.log_format, &about) {
            subscriber.mailbox.push(text.into(), now);
        }
    }

    /// Whether anybody is sent anything.
    pub(crate) fn has_subscribers(&self) -> bool {
        !self.state().subscribers.is_empty()
    }

    /// Whether an extension has subscribed to the other of the two APIs.
    pub(crate) fn uses_other(&self, extension: Uuid, api: Api) -> bool {
        let state = self.state();
        let mut of_it = state.subscribers.iter().filter(|s| s.extension == extension);
        of_it.any(|subscriber| subscriber.subscription.schema.api() != api)
    }

    /// Begins to send an extension what it wants, from the beginning of init; what is the state of that
    /// in AWS's words. The last subscription of an extension is the one that counts.
    pub(crate) fn subscribe(
        &self,
        extension: Uuid,
        subscription: Subscription,
        connected: Option<TcpStream>,
    ) -> &'static str {
        let mailbox = Arc::new(Mailbox::new(subscription.buffering));
        let delivering = tokio::spawn(deliver(
            Arc::clone(&mailbox),
            subscription.destination.clone(),
            self.sockets.clone(),
            connected,
            self.gate.subscribe(),
        ));
        let delivering = delivering.abort_handle();
        let new = Subscriber { extension, subscription, mailbox, delivering };
        let mut state = self.state();
        let State { intake, subscribers, traces } = &mut *state;
        if let Intake::Open { past, .. } = intake {
            let now = Instant::now();
            for Stamped { event, at } in past.iter() {
                self.send(&new, event, *at, traces, now);
            }
        }
        let before = subscribers.len();
        subscribers.retain(|subscriber| subscriber.extension != extension);
        let state = if subscribers.len() < before { ALREADY_SUBSCRIBED } else { SUBSCRIBED };
        subscribers.push(new);
        state
    }

    /// An invocation begins: nobody can subscribe any more, and its events say what it is traced by.
    pub(crate) fn assigned(&self, invocation: &Invocation) {
        let mut state = self.state();
        state.intake = Intake::Closed;
        if let Some(header) = invocation.trace_id.clone()
            && !state.subscribers.is_empty()
        {
            let span_id = is_sampled(&header).then(new_span);
            state.traces.insert(invocation.request_id.clone(), Trace { header, span_id });
        }
    }

    /// Says what the environment's processes are doing.
    pub(crate) fn is_now(&self, phase: Phase) {
        self.gate.send_if_modified(|was| std::mem::replace(was, phase) != phase);
    }

    /// Waits until everything was sent, but not longer than this.
    pub(crate) async fn sent(&self, within: Duration) {
        let all: Vec<Arc<Mailbox>> =
            self.state().subscribers.iter().map(|s| Arc::clone(&s.mailbox)).collect();
        let sent = async {
            for mailbox in all {
                mailbox.sent().await;
            }
        };
        // What is late is sent while extensions end, as far as they still read.
        let _late = tokio::time::timeout(within, sent).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one call on a collection; a panic elsewhere cannot leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Literals of the streams, as the log and telemetry have them.
pub(super) fn names(types: &[Stream]) -> Vec<&'static str> {
    types.iter().map(|stream| stream.as_str()).collect()
}

fn request_of(event: &Event) -> Option<&RequestId> {
    match event {
        Event::Start { request_id, .. } | Event::RuntimeDone { request_id, .. } => Some(request_id),
        Event::Report(report) => Some(&report.request_id),
        _ => None,
    }
}
