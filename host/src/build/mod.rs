//! From a project's sources to a package that runs: the project's own tools, called as a person would.
//!
//! [`project`] tells what kind of project a directory holds, [`recipe`] which commands make a package
//! of it (pure: it looks at files and runs nothing), [`make`] runs them and puts the package where it
//! was asked for, [`tools`] finds programs and runs one of them.
//!
//! # Invariants
//! - Each command is said before it runs; what it prints is shown whole when it fails.
//! - Of the user's tree only `.lambdabox/` is written, apart from what the tools write by themselves.
//! - An output that lambdabox has not made is never replaced, and there is either the old or the new one.
//! - Behind sudo the tools run as the user who typed it, and what is made is that user's.
//!
//! # Not here
//! Running what was built (`app`). Confinement: building runs the project's code on the host, as
//! building it by hand does.
//!
//! # Sources
//! AWS's developer guide, "Deploy … with .zip file archives" of each language; the build workflows of
//! AWS SAM, whose `ARTIFACTS_DIR` a command of the user's own is given.

mod copy;
mod error;
mod home;
mod make;
mod project;
mod recipe;
mod tools;
mod zip_file;

pub(crate) use error::BuildError;
pub(crate) use make::{Request, build};
