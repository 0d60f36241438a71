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

pub(super) use code::{Place, check_members, code_of};
pub(super) use create::{ARCHITECTURES, create};
pub(super) use read::{delete, get, get_configuration, list, marker, next_marker, page_size};
pub(super) use refused::refused;
pub(super) use runtime::is_awss;
pub(super) use settings::list_pattern;
pub(super) use shape::base64_of_hex;
pub(super) use update::{update_code, update_configuration};
