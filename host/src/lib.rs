//! lambdabox: AWS Lambda's execution environment as one Linux binary.
#![forbid(unsafe_code)]

pub mod model;
pub mod runtime_api;
pub mod usage;
