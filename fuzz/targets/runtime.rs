//! Requests of the Runtime API: see `host/src/runtime_api/fuzzing.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lambdabox::runtime_api::fuzzing::runtime(data));
