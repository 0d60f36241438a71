//! Why a function's program could not begin, put into words for the operator, with what mends it.
//!
//! The caller gets AWS's error, which names a symptom ("exec format error", "exit status 127"); this
//! looks at the package for the cause. It is asked only after a start has failed, so that no start
//! waits for it, and takes nothing for granted: the package is somebody else's.
//!
//! # Invariants
//! - Files are read, never run, and no more of them than the limits here.
//! - What is not understood is not spoken of: a wrong hint is worse than none.
//!
//! # Not here
//! What is wrong with a package before anything runs (`infer`), exceptions of a function's own code (its
//! language loop).

mod classes;
mod libraries;
mod opinion;
mod program;

pub(crate) use libraries::c_library_wanted;
pub use opinion::{Diagnosis, Moment, Suspect};
