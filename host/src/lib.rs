//! lambdabox: AWS Lambda's execution environment as one Linux binary.
//!
//! In flow order; a module imports only from those below it (`tests/style` holds this).
#![forbid(unsafe_code)]

pub mod cli;

pub mod app;

mod build;

pub mod front;

pub mod usage;

pub mod invoke;

pub mod pool;

pub mod sandbox;

pub mod runtime_api;

pub mod catalog;

pub mod store;

pub mod config;

pub mod model;
