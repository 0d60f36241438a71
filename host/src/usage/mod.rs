//! What happened and what it cost: takes [`crate::model::Event`]s in, never steers.
//!
//! Logs, metrics for Prometheus, and what each invocation used and would have cost.

mod json;
mod logs;
mod metrics;
mod observer;
mod otlp;
mod price;
mod report;
mod say;
mod spans;
pub(crate) mod stderr;
mod text;
mod xray;

pub use logs::{Labels, LogRenderer, Paint};
pub use metrics::{Metrics, QueueState};
pub use observer::{Observer, Traces};
pub use otlp::{Sending, SpanExporter};
pub use report::{UsageBy, usage_report};
pub use say::{Device, Say};
pub use xray::XrayDaemon;
