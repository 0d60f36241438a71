//! CloudWatch Logs' reading half, so that its clients (`aws logs tail`, boto3) read functions' logs.
//!
//! AWS JSON 1.1: every operation is a POST to `/` and is named by `X-Amz-Target`.
//!
//! # Not here
//! Writing and arranging logs: they are the functions', kept as the host's settings say. Refused by name.
//!
//! # Sources
//! CloudWatch Logs API reference and botocore's model of it, 2014-03-28; AWS JSON 1.1 protocol.

mod asked;
mod error;
mod events;
mod groups;
mod json_pattern;
mod operations;
mod pattern;

pub(super) use operations::{answer, route};
