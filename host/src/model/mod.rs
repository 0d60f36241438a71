//! The words every part shares: functions, invocations, outcomes, events.
//!
//! Plain data, no input or output, no clock (but how patient limits are: `pace`). HTTP types stay in `runtime_api` (and later `front`);
//! Linux stays in `sandbox`. Everything else speaks these.
//!
//! # Sources
//! `reference/runtime-api.md` sections 0.3, 1.2, 4 and 5.

mod event;
mod extension;
mod failed;
mod function;
mod invocation;
mod invoked;
mod levels;
mod outcome;
mod pace;
mod stream;
mod tenant;
mod trace;
mod version;

pub(crate) use event::whole_ms;
pub use event::{
    Event, InitPhase, LogLine, LogStream, Report, RuntimeMetrics, Span, Status, SubscribedTo,
    Timeline,
};
pub use extension::{ExtensionState, LifecycleEvent, MAX_EXTENSIONS, Place, ShutdownReason};
pub use failed::{Failed, with_causes};
pub use function::{
    APPLICATION_LEVEL_VARIABLE, EPHEMERAL_STORAGE_MB, Function, Initialization, LogFormat,
    MAX_CONCURRENCY, MEMORY_MB, MIB_PER_VCPU, Network, TIMEOUT_SECS,
};
pub use invocation::{
    AnswerAt, Invocation, MAX_CLIENT_CONTEXT_BYTES, MAX_PAYLOAD_BYTES, RequestId,
};
pub use invoked::{Invoked, LOG_TAIL_BYTES, Refused};
pub use levels::{ApplicationLevel, LogLevels, SystemLevel};
pub use outcome::{Failure, FailureKind, Outcome};
pub(crate) use pace::{patience, set_time_scale, time_scale};
pub(crate) use stream::Flow;
pub use stream::{Bandwidth, MAX_STREAM_BYTES, Piece, StreamTo};
pub use tenant::{TENANT_PATTERN, Tenancy, TenantMismatch, is_tenant_id};
pub use trace::{Sampled, TraceHeader, Traced, TracingMode, new_root, new_span, passed_on};
pub use version::{Purpose, Version};
