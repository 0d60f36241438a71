//! Are extensions Lambda's? External and internal ones, as programs that speak the API.
//!
//! # Not here
//! Each call in each state (`runtime_api::extensions::registry`), each end (`pool::life`).
//!
//! # Sources
//! `reference/runtime-api.md` sections 2, 6.3 and 8.

mod at_once;
mod ends;
mod failures;
mod levels;
mod libraries;
mod lifecycle;
mod telemetry;

use std::ffi::OsStr;

use crate::harness::{Function, Invoke, invoke};

/// What every extension of these tests begins with.
const API: &str = include_str!("../../fixtures/extensions/api.py");

/// Subscribes to everything and does nothing about it.
const QUIET: &str = "for event in Extension().events(): pass\n";

/// A layer with one extension that does this.
fn extension(source: &str) -> Function {
    and_extension(Function::empty(), "ext", source)
}

/// Adds one of this name to a layer.
fn and_extension(layer: Function, name: &str, source: &str) -> Function {
    layer.executable(&format!("extensions/{name}"), format!("{API}{source}"))
}

/// A function that returns its event.
fn echo() -> Function {
    Function::python("def lambda_handler(event, context): return event\n")
}

/// `lambdabox invoke` of a function with a layer. Extensions of these tests start an interpreter each.
fn extended(function: &Function, layer: &Function) -> Invoke {
    invoke(function)
        .args([OsStr::new("--layer"), layer.path().as_os_str()])
        // By variable, so that a test may say otherwise.
        .env("LAMBDABOX_TIMEOUT", "20")
        .env("LAMBDABOX_MEMORY_SIZE", "256")
}
