//! What happened and what it cost: takes [`crate::model::Event`]s in, never steers.
//!
//! Meter, metrics and traces come beside the logs.

mod json;
mod logs;
mod observer;
mod say;
pub(crate) mod stderr;
mod text;

pub use logs::{Labels, LogRenderer, Paint, SystemLevel};
pub use observer::Observer;
pub use say::{Device, Say};
