//! What every test stands on: the program, functions, servers and a count of what is left.
//!
//! # Invariants
//! - Each run has a data directory of its own and none of the tester's `AWS_*` or `LAMBDABOX_*`.
//! - Tests that count what is left on the machine run alone ([`alone`]); all others share.
//!
//! # Not here
//! Assertions about Lambda.

#[macro_use]
mod skip;

mod built;
mod caller;
mod collector;
mod dotnet;
mod function;
mod host;
mod leftovers;
mod machine;
mod node;
pub(crate) mod ordinary_user;
mod program;
mod python;
mod report;
mod rust;
mod server;
mod serving;
mod terminal;

pub(crate) use built::{
    Built, go_extension, go_fixture, go_graceful, has_jdk, java_fixture, java_with_hooks,
    official_java_client,
};
pub(crate) use caller::Caller;
pub(crate) use collector::{Collector, TELL};
pub(crate) use dotnet::{csharp, dotnet_fixture, dotnet_tree};
pub(crate) use function::{Function, zip_bytes};
pub(crate) use host::{Host, python_client_of};
pub(crate) use leftovers::{
    Leftovers, alone, children_of, processes_with, shared, wait_until_gone,
};
pub(crate) use machine::{
    full_cpu_if_slow, networks, no_nat, no_registries, settings, short_timeout_secs, stretched,
    stretched_ms, too_slow_for_load,
};
pub(crate) use node::{node_tree, npm_package, official_node_client};
pub(crate) use program::{Invoke, Run, Running, binary, invoke, lambdabox, quiet_environment};
pub(crate) use python::{
    Client, default_minor, e2e_cache, e2e_venv, interpreter, vendored, vendored_for,
};
pub(crate) use report::Report;
pub(crate) use rust::{rust_client, rust_fixture, rust_program, web_adapter};
pub(crate) use server::{Server, wait_until};
pub(crate) use serving::{Serving, boto3_is_there, pool_of};
pub(crate) use skip::note_skip;
pub(crate) use terminal::on_a_terminal;
