//! Where a value was written, so that every message and `--print-config` can say so.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Setting;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line; the flag or positional argument as it is typed.
    Flag(&'static str),
    /// A variable of the caller's environment.
    Variable(String),
    /// A line of a file: `lambdabox.toml` or one of `NAME=value` lines.
    File {
        /// Which file.
        path: PathBuf,
        /// Line, from one.
        line: usize,
    },
    /// A JSON file of variables, which has no useful lines.
    Json(PathBuf),
    /// Nobody said anything.
    Default,
}

impl Origin {
    /// How strong this place is; equal ranks contradict each other, a higher one wins.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Flag(_) => 3,
            Self::Variable(_) => 2,
            Self::File { .. } | Self::Json(_) => 1,
            Self::Default => 0,
        }
    }

    /// The directory that relative paths of this place start from.
    pub(crate) fn base<'a>(&'a self, cwd: &'a Path) -> &'a Path {
        match self {
            Self::File { path, .. } | Self::Json(path) => path.parent().unwrap_or(cwd),
            _ => cwd,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Json(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting at the place where it was written; displayed as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What.
    pub setting: Setting,
    /// Where.
    pub origin: Origin,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Flag(_) | Origin::Variable(_) => write!(f, "{}", self.origin),
            Origin::Default => write!(f, "{} (default)", self.setting.key()),
            origin => write!(f, "{} ({origin})", self.setting.key()),
        }
    }
}
