//! What a function's code and layers are on disk, and what to run of them.
//!
//! [`package`] opens a file, directory or zip; [`layers`] merges layers; [`infer()`] chooses runtime
//! and handler when nobody said them; [`Deployed`] is what a host keeps and serves. What is refused is refused before anything of it is written.
//!
//! # Invariants
//! - A user's own files are only read. What is written stands below the workspace handed in, and
//!   is gone again if opening fails.
//! - What was unpacked or copied holds only directories (0755), files (0644 or 0755) and symbolic
//!   links that stay inside.
//!
//! # Not here
//! Mounting (`sandbox`), finding interpreters (`lambdabox_runtimes`), rows and files (`store`).
//!
//! # Sources
//! `reference/lambda-service.md` sections 5, 10 and 22; `reference/sandbox.md` section 2, "Code".

mod access;
mod copy;
mod deployed;
mod diagnosis;
mod error;
mod infer;
mod infer_error;
mod layers;
mod member;
mod module;
mod other_language;
mod package;
mod unpack;
mod zipped;

pub use access::{Access, Survey, survey};
pub use copy::copy_tree;
#[cfg(test)]
pub(crate) use deployed::tiny_zip;
pub use deployed::{
    Change, DeployError, Deployed, DirectoryRefusal, Identity, Object, Observer, Opening, Source,
    Taken,
};
pub(crate) use diagnosis::c_library_wanted;
pub use diagnosis::{Diagnosis, Moment, Suspect};
pub use error::{MemberFault, PackageError};
pub use infer::{BOOTSTRAP_IN_TASK, Client, Inference, RuntimeChoice, Wanted, infer};
pub use infer_error::InferError;
pub use layers::{Layers, MAX_LAYERS, open_layers};
pub use package::{MAX_UNPACKED_BYTES, Origin, Package, open};
pub use zipped::{MemberKind, zip_tree};
