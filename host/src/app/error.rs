//! Why nothing could be run, and which exit status says so.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::catalog::{InferError, PackageError};
use crate::sandbox::SandboxError;
use crate::sandbox::cgroup::CgroupError;
use crate::sandbox::lease::LeaseError;
use crate::sandbox::network::{NatError, NatMissing};
use crate::sandbox::tmp_image::TmpImageError;

/// Bad usage, configuration or package.
const EXIT_USAGE: u8 = 2;
/// The host could not make the sandbox.
const EXIT_SANDBOX: u8 = 3;

/// The function was not run, or its answer could not be handed over.
#[derive(Debug, Error)]
pub(crate) enum AppError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error(transparent)]
    Discover(#[from] lambdabox_runtimes::discover::DiscoverError),
    #[error(transparent)]
    Venv(#[from] lambdabox_runtimes::packages::VenvError),
    /// A setting that only the opened package shows to be wrong.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Network(#[from] NatError),
    #[error("--network nat: {0}")]
    NoNat(NatMissing),
    #[error("failed to make an image for /tmp")]
    Tmp(#[from] TmpImageError),
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("failed to start the event loop")]
    EventLoop(#[source] io::Error),
}

impl AppError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Package(_)
            | Self::Infer(_)
            | Self::Discover(_)
            | Self::Venv(_)
            | Self::Usage { .. }
            | Self::Write { .. } => EXIT_USAGE,
            _ => EXIT_SANDBOX,
        }
    }

    /// What the operator can do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Package(error) => error.hint(),
            Self::Infer(error) => error.hint(),
            Self::Discover(error) => error.hint(),
            Self::Usage { hint, .. } => hint.clone(),
            Self::Sandbox(error) => error.remedy().map(str::to_owned),
            Self::NoNat(missing) => Some(missing.remedy().to_owned()),
            Self::Cgroup(_) => Some("run as root (sudo); functions are not run without limits".to_owned()),
            _ => None,
        }
    }

    /// The error and its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }
}
