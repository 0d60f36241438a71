//! Numbers for Prometheus: counted as things happen, read from the pool when asked.
//!
//! # Invariants
//! - Counting takes a shared lock and some atomics, no more.
//! - The number of series is bounded: functions after the first [`FUNCTIONS`] are counted together.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::model::Status;
use crate::pool::Snapshot;
use crate::store::{Lost, StartKind};

/// Functions that have series of their own.
const FUNCTIONS: usize = 1_000;
/// All others together; no function can have this name.
const OTHERS: &str = "(others)";
const DURATIONS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0,
    900.0,
];
const INITS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0, 10.0, 60.0];

/// All metrics of a host.
pub struct Metrics {
    registry: Registry,
    invocations: IntCounterVec,
    errors: IntCounterVec,
    throttles: IntCounterVec,
    spans_lost: IntCounter,
    duration: HistogramVec,
    init: HistogramVec,
    functions: RwLock<HashMap<String, Arc<OfFunction>>>,
    now: Now,
}

/// One function's, so that counting looks up one name.
struct OfFunction {
    cold: IntCounter,
    warm: IntCounter,
    reset: IntCounter,
    failed: IntCounter,
    timed_out: IntCounter,
    throttles: IntCounter,
    duration: Histogram,
    init: Histogram,
}

/// What holds at the moment of asking.
struct Now {
    environments: IntGaugeVec,
    memory: IntGaugeVec,
    waiting: IntGauge,
    waiting_oldest_ms: prometheus::Gauge,
    queue: IntGauge,
    queue_oldest: prometheus::Gauge,
    log_lost: IntGauge,
    stale: IntGauge,
}

/// Accepted events that wait or run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueState {
    /// How many.
    pub events: u64,
    /// How long the oldest has been there.
    pub oldest: Duration,
}

impl Metrics {
    #[cfg(test)]
    pub(super) fn spans_lost_so_far(&self) -> u64 {
        self.spans_lost.get()
    }

    /// Spans that no collector took.
    pub(super) fn spans_lost(&self, spans: u64) {
        self.spans_lost.inc_by(spans);
    }

    /// None counted yet.
    pub fn new() -> Self {
        let registry = Registry::new();
        let of = |name: &str, help: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(name, help), labels).expect("names are right");
            registered(&registry, made)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let made = HistogramVec::new(options, &["function"]).expect("names are right");
            registered(&registry, made)
        };
        let gauge = |name: &str, help: &str| {
            registered(&registry, IntGauge::new(name, help).expect("names are right"))
        };
        let seconds = |name: &str, help: &str| {
            registered(&registry, prometheus::Gauge::new(name, help).expect("names are right"))
        };
        let gauges = |name: &str, help: &str, label: &str| {
            let made = IntGaugeVec::new(Opts::new(name, help), &[label]).expect("names are right");
            registered(&registry, made)
        };
        let now = Now {
            environments: gauges(
                "lambdabox_environments",
                "Execution environments by what they do.",
                "state",
            ),
            memory: gauges(
                "lambdabox_memory_bytes",
                "Memory of environments: the budget, what is promised of it, what is lost of it.",
                "kind",
            ),
            waiting: gauge(
                "lambdabox_invocations_waiting",
                "Invocations that wait for an environment.",
            ),
            waiting_oldest_ms: seconds(
                "lambdabox_invocations_waiting_oldest_seconds",
                "How long the oldest of these has waited.",
            ),
            queue: gauge(
                "lambdabox_async_queue_events",
                "Accepted asynchronous events that wait or run.",
            ),
            queue_oldest: seconds(
                "lambdabox_async_queue_oldest_seconds",
                "Age of the oldest of these.",
            ),
            log_lost: gauge(
                "lambdabox_log_events_lost",
                "Log events that were dropped since the host started.",
            ),
            stale: gauge(
                "lambdabox_pool_is_late",
                "1 if the pool did not answer in time: what it does is as it last said.",
            ),
        };
        let build = gauges("lambdabox_build_info", "Which lambdabox this is.", "version");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            invocations: of(
                "lambdabox_invocations_total",
                "Invocations that ran to their end, by how their environment started.",
                &["function", "start"],
            ),
            errors: of(
                "lambdabox_errors_total",
                "Invocations that failed or took too long; also among all invocations.",
                &["function", "status"],
            ),
            throttles: of(
                "lambdabox_throttles_total",
                "Invocations that were refused for want of concurrency or memory.",
                &["function"],
            ),
            spans_lost: registered(
                &registry,
                IntCounter::new("lambdabox_spans_lost_total", "Spans that no collector took.")
                    .expect("names are right"),
            ),
            duration: histogram(
                "lambdabox_duration_seconds",
                "REPORT's Duration, without a cold start's init.",
                &DURATIONS,
            ),
            init: histogram(
                "lambdabox_init_duration_seconds",
                "REPORT's Init Duration of cold starts.",
                &INITS,
            ),
            functions: RwLock::default(),
            now,
            registry,
        }
    }

    pub(super) fn ran(
        &self,
        function: &str,
        start: StartKind,
        status: Status,
        duration: Duration,
        init: Option<Duration>,
    ) {
        let of = self.of(function);
        match start {
            StartKind::Cold => of.cold.inc(),
            StartKind::Warm => of.warm.inc(),
            StartKind::Reset => of.reset.inc(),
        }
        match status {
            Status::Success => {}
            Status::Error => of.failed.inc(),
            Status::Timeout => of.timed_out.inc(),
        }
        of.duration.observe(duration.as_secs_f64());
        if let Some(init) = init {
            of.init.observe(init.as_secs_f64());
        }
    }

    /// An invocation of this function was refused.
    pub fn throttled(&self, function: &str) {
        self.of(function).throttles.inc();
    }

    fn of(&self, function: &str) -> Arc<OfFunction> {
        // What a panicked writer left is a whole map.
        let known = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = known.get(function) {
            return Arc::clone(of);
        }
        drop(known);
        let mut known = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        let name = match known.len() < FUNCTIONS {
            true => function,
            false => OTHERS,
        };
        let made = || {
            Arc::new(OfFunction {
                cold: self.invocations.with_label_values(&[name, StartKind::Cold.word()]),
                warm: self.invocations.with_label_values(&[name, StartKind::Warm.word()]),
                reset: self.invocations.with_label_values(&[name, StartKind::Reset.word()]),
                failed: self.errors.with_label_values(&[name, Status::Error.as_str()]),
                timed_out: self.errors.with_label_values(&[name, Status::Timeout.as_str()]),
                throttles: self.throttles.with_label_values(&[name]),
                duration: self.duration.with_label_values(&[name]),
                init: self.init.with_label_values(&[name]),
            })
        };
        Arc::clone(known.entry(name.to_owned()).or_insert_with(made))
    }

    /// Prometheus' text format. `is_late` if the pool's answer is an older one.
    pub fn text(&self, pool: &Snapshot, is_late: bool, queue: QueueState, lost: Lost) -> String {
        let now = &self.now;
        let count = pool.environments;
        for (state, environments) in [
            ("starting", count.starting),
            ("idle", count.idle),
            ("frozen", count.frozen),
            ("busy", count.busy),
            ("ending", count.ending),
        ] {
            now.environments.with_label_values(&[state]).set(environments.into());
        }
        for (kind, mb) in [
            ("budget", pool.memory_budget_mb),
            ("promised", pool.memory_promised_mb),
            ("lost", pool.memory_lost_mb),
        ] {
            now.memory.with_label_values(&[kind]).set(signed(mb.saturating_mul(1024 * 1024)));
        }
        now.waiting.set(pool.waiting.into());
        now.waiting_oldest_ms.set(Duration::from_millis(pool.oldest_waiting_ms).as_secs_f64());
        now.queue.set(signed(queue.events));
        now.queue_oldest.set(queue.oldest.as_secs_f64());
        now.log_lost.set(signed(lost.events));
        now.stale.set(is_late.into());
        let families = self.registry.gather();
        TextEncoder::new().encode_to_string(&families).expect("names and labels are text")
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: C) -> C {
    registry.register(Box::new(made.clone())).expect("each name is registered once");
    made
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        metrics.text(&Snapshot::default(), false, QueueState::default(), Lost::default())
    }

    #[test]
    fn what_ran_is_counted_by_function() {
        let metrics = Metrics::new();
        let (second, init) = (Duration::from_secs(1), Some(Duration::from_millis(300)));
        metrics.ran("a", StartKind::Cold, Status::Success, second, init);
        metrics.ran("a", StartKind::Warm, Status::Timeout, second, None);
        metrics.throttled("b");
        let text = text(&metrics);
        for line in [
            "lambdabox_invocations_total{function=\"a\",start=\"cold\"} 1",
            "lambdabox_invocations_total{function=\"a\",start=\"warm\"} 1",
            "lambdabox_errors_total{function=\"a\",status=\"timeout\"} 1",
            "lambdabox_throttles_total{function=\"b\"} 1",
            "lambdabox_duration_seconds_count{function=\"a\"} 2",
            "lambdabox_init_duration_seconds_bucket{function=\"a\",le=\"0.4\"} 1",
            "lambdabox_init_duration_seconds_sum{function=\"a\"} 0.3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn functions_without_number_are_counted_together() {
        let metrics = Metrics::new();
        for number in 0..FUNCTIONS + 50 {
            metrics.throttled(&format!("f{number}"));
        }
        let text = text(&metrics);
        let series = text.lines().filter(|line| line.starts_with("lambdabox_throttles_total{"));
        assert_eq!(series.count(), FUNCTIONS + 1);
        assert!(text.contains("lambdabox_throttles_total{function=\"(others)\"} 50"), "{text}");
    }
}
