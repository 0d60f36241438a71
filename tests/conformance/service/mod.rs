//! Is it Lambda for AWS's own clients? `lambdabox serve`, driven by boto3 and the aws command line.
//!
//! Every answer to a client of these tests is held against botocore's service model on its way
//! (`fixtures/service/checked.py`).
//!
//! # Sources
//! `reference/lambda-service.md` sections 1 to 8, 10 to 12, 16 and 20.

mod at_once;
mod aws_cli;
mod callers;
mod deployments;
mod durable;
mod ending;
mod functions;
mod invoke;
mod languages;
mod layers;
mod logs;
mod network;
mod objects;
mod observing;
mod operating;
mod pages;
mod refusals;
mod requests;
mod rust_sdk;
mod streams;
mod tags;
mod tenants;
mod urls;

use crate::harness::Host;

/// Runs a script against a host of its own.
#[track_caller]
fn on_a_host(script: &str) {
    let data = tempfile::tempdir().unwrap();
    Host::start(data.path(), &[]).python(script);
}
