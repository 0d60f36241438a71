//! Why something could not be deployed or served. Each finishes "failed to …".

use std::io;
use std::path::PathBuf;

use super::super::PackageError;
use crate::store::StoreError;

/// A change of a function or layer was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// There is one of that name.
    #[error("make function {name}: there is one of that name")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is none of that name.
    #[error("find function {name}")]
    NoFunction {
        /// The name.
        name: String,
    },
    /// Its update is under way.
    #[error("change function {name}: an update is in progress")]
    Busy {
        /// The name.
        name: String,
    },
    /// It is not active.
    #[error("invoke or change function {name}: it is {state}")]
    NotActive {
        /// The name.
        name: String,
        /// `Pending` or `Failed`.
        state: &'static str,
    },
    /// The caller has seen another revision.
    #[error("change function {name}: its revision is another one")]
    Stale {
        /// The name.
        name: String,
    },
    /// A package that is none, or is too large.
    #[error(transparent)]
    Package(PackageError),
    /// Code and layers together.
    #[error("unpack {bytes} bytes: the limit is {limit}")]
    TooLarge {
        /// What they come to.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A directory to be deployed as it is.
    #[error("deploy {}: {refusal}", path.display())]
    Directory {
        /// As asked for.
        path: PathBuf,
        /// Why not.
        refusal: DirectoryRefusal,
    },
    /// S3 refused; in its words.
    #[error("get the object from S3: {code}: {message}")]
    Object {
        /// S3's code.
        code: String,
        /// S3's message.
        message: String,
    },
    /// Nobody has said where S3 is.
    #[error("get the object from S3: AWS_ENDPOINT_URL_S3 of the host does not say where that is")]
    NoObjectStore,
    /// It does not answer.
    #[error("get the object from S3 at {url}: {why}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// No such layer version.
    #[error("find layer version {arn}")]
    NoLayer {
        /// Its ARN.
        arn: String,
    },
    /// Too much would be reserved.
    #[error("reserve that much concurrency")]
    TooMuchReserved,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PackageError> for DeployError {
    /// A full disk is the host's, wherever in a package it was met.
    fn from(error: PackageError) -> Self {
        match &error {
            PackageError::Write { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                Self::Store(StoreError::Full)
            }
            _ => Self::Package(error),
        }
    }
}

/// Why a directory is not deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryRefusal {
    /// Not below an allowed one.
    #[error("it is not below a directory that `serve --allow-code DIR` allows")]
    NotAllowed,
    /// Relative.
    #[error("it is not an absolute path")]
    NotAbsolute,
    /// Absent, or no directory.
    #[error("{0}")]
    Unusable(String),
}
