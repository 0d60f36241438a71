//! What happened, for whoever keeps logs, meters or traces. Goes out, never back.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{ExtensionState, LifecycleEvent, RequestId, Traced};

/// In which phase an init ran (`phase` of `platform.initReport`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitPhase {
    /// Ahead of the first event, up to ten seconds.
    Init,
    /// Again, inside the invocation and under its timeout ("suppressed init").
    Invoke,
    /// Ahead of a snapshot.
    SnapStart,
}

impl Report {
    /// What of `billed_ms` is the restore, rounded up to the next whole millisecond.
    pub fn billed_restore_ms(&self) -> Option<u64> {
        self.restore_duration.map(whole_ms)
    }
}

/// Rounded up to the next whole millisecond.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl InitPhase {
    /// The literal of log lines and telemetry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
            Self::SnapStart => "snap-start",
        }
    }
}

/// Outcome of an init or invocation as REPORT and telemetry say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It answered.
    Success,
    /// It failed, by its own error or its process' end.
    Error,
    /// It took too long.
    Timeout,
}

impl Status {
    /// The literal of the log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
        }
    }
}

/// Where a line of the function came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output or error of the function's processes.
    Output,
    /// The framed log descriptor of runtime-api.md 6.8: one record whatever newlines it holds.
    Frame,
    /// Standard output or error of an external extension.
    Extension,
}

/// One log event of the function or of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it came from.
    pub stream: LogStream,
    /// The text, without its final newline.
    pub text: Bytes,
}

/// Figures of one finished invocation (the REPORT line).
///
/// Billing rule: `billed` is the duration, and the init of an environment's first invocation where
/// that ran ahead of the event, together rounded up to the next whole millisecond.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which invocation.
    pub request_id: RequestId,
    /// From handing out the event to the runtime's next `next`, its end or the timeout.
    pub duration: Duration,
    /// What is paid for.
    pub billed_ms: u64,
    /// The function's memory, MB.
    pub memory_size_mb: u32,
    /// Working set at its largest, MB (SPECIFICATION.md says how it is counted).
    pub max_memory_used_mb: u64,
    /// The kernel's raw peak with page cache, MB; for the operator only.
    pub raw_peak_mb: u64,
    /// Only on an environment's first invocation, and only if init ran ahead of it.
    pub init_duration: Option<Duration>,
    /// Instead of it, where an environment came from a snapshot.
    pub restore_duration: Option<Duration>,
    /// How it ended.
    pub status: Status,
    /// Set unless it succeeded.
    pub error_type: Option<String>,
    /// Whose it is, of a function of many tenants.
    pub tenant_id: Option<String>,
    /// What extensions took after the runtime.
    pub extension_overhead: Option<Span>,
    /// Reduced isolation or lifted limits, repeated here so that nobody forgets.
    pub notes: Vec<String>,
    /// When what of it was, for traces.
    pub timeline: Option<Box<Timeline>>,
}

/// When what of an invocation was.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Where it stands in the invoker's trace.
    pub traced: Traced,
    /// X-Ray's header that the function had.
    pub header: Option<String>,
    /// When an environment had it.
    pub began: SystemTime,
    /// The init that it had to wait for or that nobody before it had used.
    pub init: Option<Span>,
    /// When the runtime had the event.
    pub handed: Option<SystemTime>,
    /// When the runtime's answer was here.
    pub answered: Option<SystemTime>,
    /// When runtime and extensions had finished, or it was given up.
    pub ended: SystemTime,
    /// What the runtime calls itself; nothing if it was not heard.
    pub runtime_release: String,
    /// Names of its extensions, joined by `;`.
    pub extensions: String,
}

/// A part of an invocation, as telemetry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// AWS's name of it.
    pub name: &'static str,
    /// When it began.
    pub start: SystemTime,
    /// How long it took.
    pub duration: Duration,
}

/// The runtime's figures of an invocation that it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeMetrics {
    /// From handing out the event to the runtime's asking for the next one.
    pub duration: Duration,
    /// How long the answer is.
    pub produced_bytes: usize,
    /// Its parts.
    pub spans: Vec<Span>,
}

/// By which API an extension subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribedTo {
    /// The Telemetry API.
    Telemetry,
    /// The Logs API.
    Logs,
}

/// One thing that happened in an execution environment.
#[derive(Debug, Clone)]
pub enum Event {
    /// An init began.
    InitStart {
        /// Which phase.
        phase: InitPhase,
    },
    /// An extension came to a state that is told.
    Extension {
        /// Its own name.
        name: String,
        /// Which state.
        state: ExtensionState,
        /// What it is told of; sorted.
        events: Vec<LifecycleEvent>,
        /// Set if it failed.
        error_type: Option<String>,
    },
    /// An extension subscribed to telemetry or logs.
    Subscription {
        /// By which API.
        api: SubscribedTo,
        /// The extension's own name.
        name: String,
        /// `Subscribed`, or `Already subscribed` if that is repeated.
        state: &'static str,
        /// What it wants, in the API's words.
        types: Vec<&'static str>,
    },
    /// The runtime's part of an init ended; no line in text form.
    InitRuntimeDone {
        /// Which phase.
        phase: InitPhase,
        /// How it ended.
        status: Status,
        /// Set unless it succeeded or took too long.
        error_type: Option<String>,
    },
    /// An init ended. On demand, only a failed one makes a line in text form.
    InitReport {
        /// Which phase.
        phase: InitPhase,
        /// How long it ran.
        duration: Duration,
        /// How it ended.
        status: Status,
        /// Set unless it succeeded.
        error_type: Option<String>,
    },
    /// A snapshot is restored; no line without a runtime version.
    RestoreStart,
    /// The runtime's hooks after a restore ended; no line in text form.
    RestoreRuntimeDone {
        /// How they ended.
        status: Status,
        /// Set unless they succeeded.
        error_type: Option<String>,
    },
    /// A restore ended.
    RestoreReport {
        /// How long it ran.
        duration: Duration,
        /// How it ended.
        status: Status,
        /// Set unless it succeeded.
        error_type: Option<String>,
    },
    /// START.
    Start {
        /// Which invocation.
        request_id: RequestId,
        /// Version that runs.
        version: String,
        /// Whose it is, of a function of many tenants.
        tenant_id: Option<String>,
    },
    /// The function wrote something.
    Log(LogLine),
    /// Old-style failure line between START and END, such as the timeout's.
    Fault {
        /// Which invocation.
        request_id: RequestId,
        /// The text after the request id.
        message: String,
        /// The error type.
        error_type: String,
    },
    /// The runtime's part of an invocation ended; no line in text form.
    RuntimeDone {
        /// Which invocation.
        request_id: RequestId,
        /// How it ended.
        status: Status,
        /// Set unless it succeeded or took too long.
        error_type: Option<String>,
        /// Its figures, if the runtime answered and asked for more.
        metrics: Option<RuntimeMetrics>,
        /// As in `Start`.
        tenant_id: Option<String>,
    },
    /// END; in JSON `RuntimeDone` takes its place.
    End {
        /// Which invocation.
        request_id: RequestId,
    },
    /// REPORT.
    Report(Report),
}
