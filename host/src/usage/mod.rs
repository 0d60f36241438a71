//! What happened and what it cost: takes [`crate::model::Event`]s in, never steers.
//!
//! For now logs alone; meter, ledger, metrics and traces come beside them.

mod json;
mod logs;
mod say;
pub(crate) mod stderr;
mod text;

pub use logs::{Labels, LogRenderer, Paint};
pub use say::{Device, Say};
