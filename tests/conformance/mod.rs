//! Is it Lambda? What a handler, a custom runtime and the person at the command line may rely on.
//!
//! # Not here
//! Ends of an environment (`lifecycle`), protection (`security`).
//!
//! # Sources
//! AWS Lambda Developer Guide; `reference/runtime-api.md` 4 to 6.

/// Every test of the suite, once on our language loop and once on the official client.
macro_rules! on_both_loops {
    ($($test:ident),* $(,)?) => {
        mod managed {
            $(#[test]
            fn $test() {
                super::$test($crate::harness::Client::Managed);
            })*
        }
        mod official {
            $(#[test]
            fn $test() {
                super::$test($crate::harness::Client::Official);
            })*
        }
    };
}

mod bad_input;
mod broken_programs;
mod ci_page;
mod command_line;
mod config_file;
mod credentials;
mod custom_runtimes;
mod doctor;
mod dotnet;
mod environment;
mod events;
mod extensions;
mod forwards;
mod handler;
mod handler_errors;
mod inference;
mod interpreters;
mod java;
mod languages;
mod layers;
mod log;
mod network;
mod network_user;
mod node;
mod outputs;
mod python_start;
mod report;
mod runtimes;
mod sdk;
mod service;
mod snapstart;
mod streams;
mod tracing;
