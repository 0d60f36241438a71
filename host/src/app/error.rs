//! Why nothing could be run, and which exit status says so.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use lambdabox_runtimes::discover::DiscoverError;
use lambdabox_runtimes::packages::VenvError;

use super::client::ClientError;
use crate::build::BuildError;
use crate::catalog::{DeployError, InferError, PackageError};
use crate::front::ListenError;
use crate::model::Failed;
use crate::sandbox::SandboxError;
use crate::sandbox::cgroup::CgroupError;
use crate::sandbox::lease::LeaseError;
use crate::sandbox::network::{NatError, NatMissing};
use crate::store::StoreError;

/// Bad usage, configuration or package.
const EXIT_USAGE: u8 = 2;
/// The host could not make the sandbox.
const EXIT_SANDBOX: u8 = 3;

macro_rules! failed_to {
    ($($variant:ident($error:ty)),+ $(,)?) => {$(
        impl From<$error> for AppError {
            fn from(error: $error) -> Self {
                Self::$variant(Failed(error))
            }
        }
    )+};
}

failed_to! {
    Build(BuildError),
    Package(PackageError),
    Infer(InferError),
    Discover(DiscoverError),
    Venv(VenvError),
    Cgroup(CgroupError),
    Lease(LeaseError),
    Network(NatError),
    Store(StoreError),
    Deploy(DeployError),
    Listen(ListenError),
}

/// The function was not run, or its answer could not be handed over.
#[derive(Debug, Error)]
pub(crate) enum AppError {
    #[error(transparent)]
    Build(Failed<BuildError>),
    #[error(transparent)]
    Package(Failed<PackageError>),
    #[error(transparent)]
    Infer(Failed<InferError>),
    #[error(transparent)]
    Discover(Failed<DiscoverError>),
    #[error(transparent)]
    Venv(Failed<VenvError>),
    /// A setting that only the opened package shows to be wrong.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Cgroup(Failed<CgroupError>),
    #[error(transparent)]
    Lease(Failed<LeaseError>),
    #[error(transparent)]
    Network(Failed<NatError>),
    #[error(transparent)]
    Store(Failed<StoreError>),
    #[error(transparent)]
    Deploy(Failed<DeployError>),
    #[error(transparent)]
    Listen(Failed<ListenError>),
    #[error("this user namespace has no user ids for functions")]
    NoIds,
    #[error("--network nat: {0}")]
    NoNat(NatMissing),
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Whoever asked for several answers knows what to do: nothing more, quietly.
    #[error("nobody reads standard output any more")]
    ReaderGone,
    #[error("failed to start the event loop")]
    EventLoop(#[source] io::Error),
}

impl AppError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Build(_)
            | Self::Package(_)
            | Self::Infer(_)
            | Self::Discover(_)
            | Self::Venv(_)
            | Self::Usage { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::ReaderGone => EXIT_USAGE,
            Self::Client(error) => error.exit_code(),
            _ => EXIT_SANDBOX,
        }
    }

    /// What the operator can do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Build(Failed(error)) => error.remedy(),
            Self::Sandbox(SandboxError::Cgroup(Failed(error))) | Self::Cgroup(Failed(error)) => {
                Some(cgroup_hint(error))
            }
            Self::Sandbox(error) => error.remedy().map(str::to_owned),
            Self::NoIds => Some(
                "run as root of the machine, or map ids 60706 to 61183 into this namespace"
                    .to_owned(),
            ),
            Self::Client(error) => error.hint(),
            Self::Network(Failed(error)) => error.remedy().map(str::to_owned),
            Self::Listen(Failed(error)) => error.remedy().map(str::to_owned),
            Self::NoNat(missing) => Some(missing.remedy().to_owned()),
            _ => None,
        }
    }
}

/// What mends it, and what goes without.
fn cgroup_hint(error: &CgroupError) -> String {
    let remedy = error.remedy();
    if !error.is_lack_of_groups() {
        return remedy.to_owned();
    }
    format!("{remedy}; --isolation no-limits runs it with memory and CPU unlimited")
}
