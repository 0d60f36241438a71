//! Lambda's service API: callers' paths, headers, status codes and texts end here.
//!
//! [`Front`] answers one request at a time; `listener` has the connections. A request is checked for who
//! sends it ([`guard`]), turned into a [`routes::Route`], answered by the file of its resource, and an
//! error becomes AWS's in one place ([`error`]).
//!
//! # Invariants
//! - What a request can make grow is bounded: connections, headers, bodies, time.
//! - Nothing a web page can send is answered: it must not be able to make functions here.
//! - Every answer has an `x-amzn-RequestId`.
//!
//! # Not here
//! What is stored and what serves (`catalog`), running (`invoke`), what an operator asks (`admin`).
//!
//! # Sources
//! `reference/lambda-service.md` sections 1 to 7, 10, 12, 16 and 18.

mod account;
mod admin;
mod answers;
mod body;
mod concurrency;
mod download;
mod error;
mod functions;
mod guard;
mod invoke;
mod layers;
mod listener;
mod logs;
mod members;
mod names;
mod not_yet;
mod paced;
mod query;
mod reply;
mod routes;
mod state;
mod stream;
mod tags;
mod url;
mod validate;

pub use admin::{Admin, AdminThread, Readiness, Sources};
pub use listener::{ListenError, Serving, listen};
pub use state::{Front, Parts};
