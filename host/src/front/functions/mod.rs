//! Functions as AWS clients make, change, read and delete them.
//!
//! # Sources
//! `reference/lambda-service.md` sections 3 to 6 and 16.

mod capacity;
mod code;
mod create;
mod read;
mod refused;
mod runtime;
mod settings;
mod shape;
mod update;
mod variables;

pub(super) use code::{Flat, code_of};
pub(super) use create::{MAX_TAGS, TOO_MANY_TAGS, create, tags};
pub(super) use read::{delete, get, get_configuration, list, marker, next_marker, page_size};
pub(super) use refused::refused;
pub(super) use shape::base64_of_hex;
pub(super) use update::{update_code, update_configuration};
