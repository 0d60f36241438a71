//! Why a host did not do what it was called for, in words for who called it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::Endpoint;

/// The host refused, or could not.
const EXIT_REFUSED: u8 = 1;
/// What was to be sent cannot be.
const EXIT_USAGE: u8 = 2;
/// There is no host.
const EXIT_NO_HOST: u8 = 3;

/// A call of a host that failed.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error("no host answers at {}", endpoint.url)]
    NoHost { endpoint: Endpoint, source: hyper_util::client::legacy::Error },
    #[error(
        "no such file or directory: {}; and no host answers at {}, which could have a function of \
         that name",
        path.display(),
        endpoint.url
    )]
    NeitherPathNorHost { path: PathBuf, endpoint: Endpoint },
    #[error(
        "no such file or directory: {}; and the host at {} has no function {name}",
        path.display(),
        endpoint.url
    )]
    NeitherPathNorFunction { path: PathBuf, name: String, endpoint: Endpoint },
    #[error("what answers at {} is no Lambda service (status {status})", endpoint.url)]
    NotAHost { endpoint: Endpoint, status: u16 },
    #[error("what answers at {} is not where a host answers its operator", endpoint.url)]
    NotAnOperator { endpoint: Endpoint },
    #[error("the connection to {url} broke")]
    Broken { url: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the host refused to {what}: {kind}: {message}")]
    Refused { what: String, status: u16, kind: String, message: String },
    #[error("the host could not make {name} ready: {reason}")]
    Failed { name: String, reason: String },
    #[error("the host was still making {name} ready after {seconds} seconds")]
    NotInTime { name: String, seconds: u64 },
    #[error("failed to read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("failed to pack {}", path.display())]
    Unpackable { path: PathBuf, source: io::Error },
    #[error(
        "failed to pack {}: {} is a symbolic link to {}, which is not there once it is deployed",
        path.display(),
        link.display(),
        target.display()
    )]
    LinkOutside { path: PathBuf, link: PathBuf, target: PathBuf },
    #[error("the package of {} is {bytes} bytes, over the limit of {limit}", path.display())]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
    #[error("{}: {source}", path.display())]
    IgnoreFile { path: PathBuf, source: ignore::Error },
}

impl ClientError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoHost { .. }
            | Self::NotAHost { .. }
            | Self::NotAnOperator { .. }
            | Self::Broken { .. } => EXIT_NO_HOST,
            Self::NeitherPathNorHost { .. }
            | Self::NeitherPathNorFunction { .. }
            | Self::Unreadable { .. }
            | Self::Unpackable { .. }
            | Self::LinkOutside { .. }
            | Self::TooLarge { .. }
            | Self::IgnoreFile { .. } => EXIT_USAGE,
            Self::Refused { .. } | Self::Failed { .. } | Self::NotInTime { .. } => EXIT_REFUSED,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoHost { endpoint, .. }
            | Self::NeitherPathNorHost { endpoint, .. }
            | Self::NotAHost { endpoint, .. } => Some(match &endpoint.said_by {
                None => {
                    "`lambdabox serve` starts one there; --endpoint-url names another".to_owned()
                }
                Some(place) => format!("{place} says so; `lambdabox serve` starts a host"),
            }),
            Self::NotAnOperator { .. } => {
                Some("--admin names the address that the host says as `/ready on`".to_owned())
            }
            Self::NeitherPathNorFunction { .. } => {
                Some("`lambdabox list` shows what it has, `lambdabox deploy` adds to it".to_owned())
            }
            Self::LinkOutside { link, .. } => Some(format!(
                "put what it leads to in its place, or leave it out by a line /{} in .lambdaboxignore",
                link.display()
            )),
            Self::TooLarge { .. } => Some(
                "leave out with .lambdaboxignore what the function does not need, or put what \
                 seldom changes into a layer (--layer)"
                    .to_owned(),
            ),
            Self::Refused { kind, .. } if kind == "ResourceNotFoundException" => {
                Some("`lambdabox list` shows what it has".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the host says that there is no such thing.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}
