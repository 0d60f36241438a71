//! Functions and layers as they are deployed: stored, unpacked, and served.
//!
//! [`Deployed`] is the one place that changes them. It stores a package, unpacks it, writes the
//! record, and makes the new version serve once that is done; until then the one before serves.
//!
//! # Invariants
//! - A record never refers to a package that is not on disk, whole.
//! - An unpacked package can be made again from its blob at any time, and is removed only when no
//!   record refers to it and nobody holds a [`crate::model::Version`] of it.
//! - What serves changes after the database did, so a kill in between loses nothing: the next start
//!   finishes what the record says was under way.
//!
//! # Not here
//! What AWS lets a customer set and in which words it refuses (`front`).
//!
//! # Sources
//! `reference/lambda-service.md` sections 4, 6 and 10.

mod error;
mod functions;
mod layers;
mod object;
mod packages;
mod serving;
mod snapshot;
mod standing;
#[cfg(test)]
mod tests;

pub use error::{DeployError, DirectoryRefusal};
pub use functions::{Deployed, Identity, Opening, Source, Taken};
pub use object::Object;
pub use serving::{Change, Observer};
#[cfg(test)]
pub(crate) use tests::tiny_zip;
