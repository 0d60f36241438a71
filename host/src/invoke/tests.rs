//! Accepted events and a stand-in for the environments.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::*;
use crate::catalog::{Change, Deployed, Identity, Opening, Source};
use crate::model::{
    AnswerAt, Invocation, Invoked, Outcome, Refused, Report, RequestId, Status, Version,
};
use crate::store::{QueuedEvent, State};

/// Answers what it is told to, in order, and then always; remembers what ran.
#[derive(Default)]
struct Stage {
    answers: Mutex<VecDeque<Refused>>,
    ran: Mutex<Vec<String>>,
    changed: Notify,
    /// Whether invocations wait for `go`.
    holds: AtomicBool,
    go: Arc<Notify>,
    finished: Arc<Notify>,
}

impl Invoker for Stage {
    fn invoke(&self, _version: Arc<Version>, invocation: Invocation) -> Ran {
        let refused = self.answers.lock().unwrap().pop_front();
        self.ran.lock().unwrap().push(invocation.request_id.0.clone());
        self.changed.notify_one();
        let finished = Arc::clone(&self.finished);
        let held = self.holds.load(Ordering::SeqCst).then(|| Arc::clone(&self.go));
        Box::pin(async move {
            if let Some(go) = held {
                go.notified().await;
            }
            finished.notify_one();
            match refused {
                Some(refused) => Err(refused),
                None => Ok(invoked(invocation.request_id)),
            }
        })
    }

    fn changed(&self, _change: Change) {}
}

fn invoked(request_id: RequestId) -> Invoked {
    let report = Report {
        request_id,
        duration: Duration::ZERO,
        billed_ms: 1,
        memory_size_mb: 128,
        max_memory_used_mb: 1,
        raw_peak_mb: 1,
        init_duration: None,
        restore_duration: None,
        status: Status::Success,
        error_type: None,
        tenant_id: None,
        extension_overhead: None,
        notes: Vec::new(),
        timeline: None,
    };
    let outcome = Outcome::Answered { payload: "null".into(), content_type: None };
    Invoked { outcome, log_tail: Vec::new(), report: Some(report) }
}

struct Place {
    _data: tempfile::TempDir,
    deployed: Arc<Deployed>,
    stage: Arc<Stage>,
    queue: Arc<Queue>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Place {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let identity = Identity { account: "0".repeat(12), region: "us-east-1".to_owned() };
        let (data_dir, observer) = (data.path(), Arc::new(|_| {}));
        let opening =
            Opening { data_dir, identity, allowed: Vec::new(), object_store: None, observer };
        let deployed = Deployed::open(opening).await.unwrap();
        let stage = Arc::new(Stage::default());
        let service = Service::new(Arc::clone(&deployed), Arc::clone(&stage) as _);
        let said = Arc::new(Mutex::new(Vec::new()));
        let saying = Arc::clone(&said);
        let say = move |text: &str| saying.lock().unwrap().push(text.to_owned());
        let queue = Queue::new(deployed.store().clone(), service, say);
        Self { _data: data, deployed, stage, queue, said }
    }

    async fn deploy(&self, name: &str) {
        let source = Source::Zip(crate::catalog::tiny_zip().into());
        let taken = self.deployed.take_in(source).await.unwrap();
        let record = crate::store::sample_record(name);
        let record = crate::store::FunctionRecord { code: taken.code.clone(), ..record };
        self.deployed.create(record).await.unwrap();
        while self.deployed.find(name).await.unwrap().state == State::Pending {
            tokio::task::yield_now().await;
        }
    }

    async fn accept(&self, function: &str, request_id: &str) {
        let event = QueuedEvent {
            function: function.to_owned(),
            arn: String::new(),
            request_id: request_id.to_owned(),
            trace_id: String::new(),
            tenant_id: None,
            accepted_ms: super::queue::now_ms(),
            payload: b"{}".to_vec(),
        };
        self.queue.accept(event).await.unwrap();
    }

    async fn depth(&self) -> u64 {
        self.deployed.store().queue_depth().await.unwrap().0
    }

    async fn until_empty(&self) {
        while self.depth().await > 0 {
            tokio::task::yield_now().await;
        }
    }

    fn ran(&self) -> Vec<String> {
        self.stage.ran.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn an_accepted_event_is_run_and_then_removed() {
    let place = Place::new().await;
    place.deploy("f").await;
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(Arc::clone(&place.queue).work(stopped));
    for number in 0..100 {
        place.accept("f", &number.to_string()).await;
    }
    place.until_empty().await;
    let mut ran = place.ran();
    ran.sort();
    ran.dedup();
    assert_eq!(ran.len(), 100);
}

#[tokio::test]
async fn a_throttled_event_stays_and_is_run_again_under_its_id() {
    let place = Place::new().await;
    place.deploy("f").await;
    place.stage.answers.lock().unwrap().push_back(Refused::ReservedConcurrency);
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(Arc::clone(&place.queue).work(stopped));
    place.accept("f", "one").await;
    place.until_empty().await;
    assert_eq!(place.ran(), ["one", "one"]);
}

#[tokio::test]
async fn an_event_of_a_deleted_function_is_dropped_and_said() {
    let place = Place::new().await;
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(Arc::clone(&place.queue).work(stopped));
    place.accept("gone", "one").await;
    place.until_empty().await;
    assert!(place.ran().is_empty());
    let said = place.said.lock().unwrap();
    assert!(said[0].contains("an event of gone is dropped"), "{said:?}");
}

#[tokio::test]
async fn what_a_draining_pool_refuses_waits_for_the_next_start() {
    let place = Place::new().await;
    place.deploy("f").await;
    place.stage.answers.lock().unwrap().push_back(Refused::ShuttingDown);
    let (stop, stopped) = watch::channel(false);
    place.accept("f", "one").await;
    let working = tokio::spawn(Arc::clone(&place.queue).work(stopped));
    place.stage.changed.notified().await;
    stop.send(true).unwrap();
    working.await.unwrap();
    place.queue.idle().await;
    assert_eq!(place.depth().await, 1);
}

#[tokio::test]
async fn a_caller_that_is_gone_does_not_stop_its_invocation() {
    let place = Place::new().await;
    place.deploy("f").await;
    let service = Service::new(Arc::clone(&place.deployed), Arc::clone(&place.stage) as _);
    let request = Request {
        function: "f".to_owned(),
        arn: String::new(),
        request_id: RequestId("one".to_owned()),
        payload: "{}".into(),
        accepted: std::time::SystemTime::now(),
        trace_id: None,
        client_context: None,
        tenant_id: None,
        answer_at: AnswerAt::Response,
    };
    place.stage.holds.store(true, Ordering::SeqCst);
    tokio::select! {
        _answered = service.invoke(request) => panic!("it waits"),
        () = place.stage.changed.notified() => {}
    }
    // The caller's future is gone by now.
    place.stage.go.notify_one();
    place.stage.finished.notified().await;
}

#[tokio::test]
async fn one_functions_events_never_take_every_place_and_none_begins_once_the_host_ends() {
    let place = Place::new().await;
    for function in ["slow", "other", "second"] {
        place.deploy(function).await;
    }
    place.stage.holds.store(true, Ordering::SeqCst);
    for (function, count) in [("slow", 40), ("other", 1), ("second", 40)] {
        for number in 0..count {
            place.accept(function, &format!("{function} {number}")).await;
        }
    }
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(Arc::clone(&place.queue).work(stopped));
    let count = |function: &str| place.ran().iter().filter(|id| id.starts_with(function)).count();
    while place.ran().len() < 64 {
        place.stage.changed.notified().await;
    }
    assert_eq!((count("slow"), count("other"), count("second")), (32, 1, 31));
    // It waits for a place.
    stop.send(true).unwrap();
    working.await.unwrap();
    place.stage.holds.store(false, Ordering::SeqCst);
    place.stage.go.notify_waiters();
    place.queue.idle().await;
    assert_eq!((place.ran().len(), place.depth().await), (64, 17));
}
