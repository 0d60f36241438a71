//! Whoever has execution environments.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::catalog::Change;
use crate::model::{Invocation, Invoked, Refused, Version};

/// What an invocation comes to.
pub type Ran = Pin<Box<dyn Future<Output = Result<Invoked, Refused>> + Send>>;

/// Runs invocations in execution environments.
pub trait Invoker: Send + Sync + 'static {
    /// Runs one. Dropping the future may stop it, so whoever calls sees to it that nobody does.
    fn invoke(&self, version: Arc<Version>, invocation: Invocation) -> Ran;

    /// A version does not serve any more: its environments end after what they do.
    fn changed(&self, change: Change);
}
