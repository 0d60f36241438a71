//! Words about extensions that every part shares.
//!
//! # Sources
//! `reference/runtime-api.md` 2.2, 2.3 and 2.5.

/// Extensions an environment may have, of both kinds together (runtime-api.md 0.3).
pub const MAX_EXTENSIONS: usize = 10;

/// Where an extension runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the runtime's process.
    Internal,
    /// As a process of its own, started from `/opt/extensions`.
    External,
}

/// What an extension may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LifecycleEvent {
    /// An invocation begins.
    Invoke,
    /// The environment ends.
    Shutdown,
}

impl LifecycleEvent {
    /// The literal of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "INVOKE",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

/// Where an extension stands; AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionState {
    /// Its process runs.
    Started,
    /// It has registered.
    Registered,
    /// It waits for an event.
    Ready,
    /// It has an event.
    Running,
    /// It reported that its init failed.
    InitError,
    /// It reported that it ends because of an error.
    ExitError,
    /// Its process did not end by itself when it was told to.
    ShutdownFailed,
    /// Its process has ended.
    Exited,
    /// Its process could not be started.
    LaunchError,
}

impl ExtensionState {
    /// The literal of log lines and telemetry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Registered => "Registered",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InitError => "InitError",
            Self::ExitError => "ExitError",
            Self::ShutdownFailed => "ShutdownFailed",
            Self::Exited => "Exited",
            Self::LaunchError => "LaunchError",
        }
    }
}

/// Why an environment ends, as extensions are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownReason {
    /// Nobody needs it.
    Spindown,
    /// An invocation took too long.
    Timeout,
    /// Something failed.
    Failure,
}

impl ShutdownReason {
    /// The literal of the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}
