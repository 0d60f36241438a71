//! Languages: what each needs to run as a Lambda function, and where it is on this machine.
//!
//! One folder per language beside `src` (and `templates`, functions to begin with: [`Template`]), holding `runtime.toml` and, for managed languages, the
//! language loop. This crate parses the folders ([`Catalogue`]), finds interpreters ([`discover`])
//! and their packages ([`packages`]), and reads source files lightly ([`scan`]).
//!
//! # Not here
//! What Lambda does with a runtime, and every Linux mechanism: `host` and `bootstrap`.
//!
//! # Sources
//! `reference/lambda-service.md` section 4 (identifiers), `reference/sandbox.md` section 2
//! (interpreters), `reference/performance.md` 2.5 (why no site directories).

#![forbid(unsafe_code)]

mod catalogue;
pub mod discover;
mod embed;
mod entry;
mod later;
pub mod packages;
pub mod scan;
mod templates;

pub use catalogue::{Catalogue, HandlerForm, Identifier, Kind, Language, UnknownRuntime};
pub use embed::LoopFile;
pub use entry::{Entry, EntryForm, EntryInputs, MissingModule, OfficialClient};
pub use later::{Later, later_by_extension, later_by_identifier};
pub use templates::{Template, TemplateFile, TemplateManifest};
