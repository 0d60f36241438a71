//! How important a line of the log must be, where logs are JSON (`LoggingConfig`).
//!
//! # Sources
//! `reference/runtime-api.md` 4.2 and 4.3.

/// Least important line of the function's own that is logged (`ApplicationLogLevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum ApplicationLevel {
    Trace,
    Debug,
    /// AWS's default.
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

impl ApplicationLevel {
    /// The least important first.
    pub const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The value of `AWS_LAMBDA_LOG_LEVEL`.
    pub fn as_aws(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// The level of this name, whatever its case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_aws().eq_ignore_ascii_case(name))
    }
}

/// Least important platform event that is logged (`SystemLogLevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SystemLevel {
    /// Everything.
    Debug,
    /// AWS's default.
    #[default]
    Info,
    /// Failures only.
    Warn,
}

impl SystemLevel {
    /// AWS's name of it.
    pub fn as_aws(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
        }
    }

    /// The level of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "DEBUG" => Some(Self::Debug),
            "INFO" => Some(Self::Info),
            "WARN" => Some(Self::Warn),
            _ => None,
        }
    }
}

/// Both of a function's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogLevels {
    /// Of the function's own lines.
    pub application: ApplicationLevel,
    /// Of the platform's.
    pub system: SystemLevel,
}
