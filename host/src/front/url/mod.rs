//! Function URLs: their settings ([`config`]), and the requests that come to them.
//!
//! A URL is a name below `localhost` at the address where AWS clients are answered. A request becomes
//! an event ([`event`]), the function's answer becomes HTTP ([`answer`]), as it comes or whole.
//!
//! # Not here
//! Signatures: a URL of type `AWS_IAM` is stored, and answers 403 until they are verified.
//!
//! # Sources
//! `reference/lambda-service.md` sections 8, 11 and 19.

mod answer;
pub(super) mod config;
mod cors;
mod event;
mod respond;

pub(super) use respond::{id_of, respond, url};
