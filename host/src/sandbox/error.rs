//! Why a sandbox could not be made.

use std::io;
use std::path::PathBuf;

use lambdabox_bootstrap::wire::Failure;
use thiserror::Error;

use super::cgroup::CgroupError;
use super::network::NatError;
use super::tmp_image::TmpImageError;
use crate::model::Failed;

/// A sandbox could not be made or is no longer there. Nothing runs in a sandbox that is less than
/// its plan.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A step of the plan failed.
    #[error("failed to {}: {}", .0.step, .0.cause)]
    Step(Failure),
    /// The spawner is gone or does not answer.
    #[error("failed to talk to the process that makes sandboxes")]
    Spawner(#[source] io::Error),
    /// The init of a sandbox is gone or does not answer.
    #[error("failed to talk to the init of the sandbox")]
    Init(#[source] io::Error),
    /// The init ended before it was ready, without saying why.
    #[error("the init of the sandbox ended before it was ready")]
    InitEnded,
    /// Processes of an earlier start of the same environment could not be ended.
    #[error("processes of the environment could not be ended before")]
    Survivors,
    /// A tree of the host cannot be shown inside.
    #[error("failed to show {} inside the sandbox", path.display())]
    Tree {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The function's pipes cannot be made.
    #[error("failed to make the function's output pipes")]
    Pipes(#[source] io::Error),
    /// A part that was made ahead of need is not there.
    #[error("failed to make a part of the sandbox ahead of need")]
    Ahead(#[source] io::Error),
    /// The image of `/tmp`.
    #[error(transparent)]
    Tmp(Failed<TmpImageError>),
    /// Network.
    #[error(transparent)]
    Network(Failed<NatError>),
    /// Control groups.
    #[error(transparent)]
    Cgroup(Failed<CgroupError>),
}

impl From<TmpImageError> for SandboxError {
    fn from(error: TmpImageError) -> Self {
        Self::Tmp(Failed(error))
    }
}

impl From<NatError> for SandboxError {
    fn from(error: NatError) -> Self {
        Self::Network(Failed(error))
    }
}

impl From<CgroupError> for SandboxError {
    fn from(error: CgroupError) -> Self {
        Self::Cgroup(Failed(error))
    }
}

impl SandboxError {
    /// What the operator can do.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Self::Step(failure) => failure.remedy.as_deref(),
            Self::Cgroup(Failed(error)) => Some(error.remedy()),
            Self::Network(Failed(error)) => error.remedy(),
            Self::Tree { .. } => Some("the path must be readable, and the kernel 5.12 or newer"),
            _ => None,
        }
    }
}
