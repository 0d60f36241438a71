//! The figures of an invocation, from what the rule book and the control group know.

use std::time::{Instant, SystemTime};

use super::Environment;
use crate::catalog::Moment;
use crate::model::{Event, Report, RuntimeMetrics, Span, Timeline};
use crate::pool::life::{Answered, Ending, RuntimeDone, Times};

impl Environment {
    pub(super) fn sample(&mut self) {
        if let Some(running) = &self.running
            && let Ok(usage) = running.sandbox.group().memory()
        {
            self.meter.sample(usage);
        }
    }

    pub(super) async fn log_runtime_done(&mut self, done: RuntimeDone) {
        self.drain().await;
        let RuntimeDone { id: request_id, status, error_type, answered } = done;
        let metrics = answered.map(|Answered { handed, response, next, bytes }| RuntimeMetrics {
            duration: next.duration_since(handed),
            produced_bytes: bytes,
            spans: vec![
                span("responseLatency", handed, response),
                span("responseDuration", response, response),
                span("runtimeOverhead", response, next),
            ],
        });
        let tenant_id = self.tenant_id.clone();
        self.note(Event::RuntimeDone { request_id, status, error_type, metrics, tenant_id });
    }

    pub(super) async fn log_end(&mut self, ending: Ending) {
        self.sample();
        self.drain().await;
        let memory_size_mb = self.blueprint.function.memory_mb;
        // Whoever was ended for want of memory had used all of it.
        let out_of_memory = ending.error_type.as_deref() == Some("Runtime.OutOfMemory");
        let used_mb = self.meter.max_memory_used_mb();
        let max_memory_used_mb = if out_of_memory {
            u64::from(memory_size_mb)
        } else if self.workshop.has_limits() {
            used_mb.min(u64::from(memory_size_mb))
        } else {
            used_mb
        };
        self.blueprint.explain(ending.error_type.as_deref(), Moment::Invocation);
        self.note(Event::End { request_id: ending.id.clone() });
        let timeline = self.timeline(ending.times.clone());
        let overhead =
            ending.extensions_since.map(|since| span("extensionOverhead", since, Instant::now()));
        self.note(Event::Report(Report {
            billed_ms: ending.billed_ms(),
            request_id: ending.id,
            duration: ending.duration,
            memory_size_mb,
            max_memory_used_mb,
            raw_peak_mb: self.meter.raw_peak_mb(),
            init_duration: ending.init_duration,
            restore_duration: ending.restore_duration,
            status: ending.status,
            error_type: ending.error_type,
            tenant_id: self.tenant_id.clone(),
            extension_overhead: overhead,
            notes: self.blueprint.notes.clone(),
            timeline: Some(Box::new(timeline)),
        }));
    }
}

impl Environment {
    fn timeline(&self, times: Times) -> Timeline {
        let api = self.running.as_ref().map(|running| &running.api);
        Timeline {
            traced: times.traced,
            header: times.header,
            began: wall(times.began),
            init: times.init.map(|init| span("init", init.since, init.since + init.duration)),
            handed: times.handed.map(wall),
            answered: times.response.map(wall),
            ended: SystemTime::now(),
            runtime_release: api.and_then(|api| api.runtime_release()).unwrap_or_default(),
            extensions: api.map(|api| api.extension_names()).unwrap_or_default(),
        }
    }
}

fn wall(at: Instant) -> SystemTime {
    SystemTime::now() - at.elapsed()
}

fn span(name: &'static str, from: Instant, to: Instant) -> Span {
    Span { name, start: wall(from), duration: to.duration_since(from) }
}
