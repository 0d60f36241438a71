//! What the pool asks of whoever makes environments, and of an environment.
//!
//! The one home in production is [`super::Environment`]; tests of the pool bring one without a sandbox.

use std::future::Future;
use std::sync::Arc;

use crate::model::{Event, Invocation, Outcome, RequestId, Version};
use crate::sandbox::SandboxError;

/// Keeps the logs of all functions.
pub(crate) trait Journal: Send + Sync + 'static {
    /// Something happened in the environment with this log stream. The lines it makes in the log, if
    /// any, are appended to `lines` too.
    fn note(&self, version: &Version, stream: &str, event: &Event, lines: &mut Vec<u8>);

    /// An environment failed in a way that no invocation tells of; for the operator.
    fn trouble(&self, text: &str);
}

/// Told the log stream of an environment and everything that happens in it.
pub(crate) type Sink = Arc<dyn Fn(&str, Event) + Send + Sync>;

/// Called with an invocation's one outcome.
pub(crate) type Answering<'a> = dyn FnMut(&RequestId, Outcome) + Send + 'a;

/// Makes environments.
pub(crate) trait Provider: Send + Sync + 'static {
    /// What it makes.
    type Home: Home;

    /// An environment of this version that is not started.
    ///
    /// # Errors
    /// Why there is none, in words for the operator.
    fn home(
        &self,
        version: Arc<Version>,
        sink: Sink,
    ) -> impl Future<Output = Result<Self::Home, String>> + Send;
}

/// One execution environment, as the pool sees it.
pub(crate) trait Home: Send + 'static {
    /// What may happen in one that has nothing to do.
    type Woken: Send;

    /// Starts the runtime ahead of any event; ends when its init is over, well or not.
    fn begin(&mut self) -> impl Future<Output = Result<(), SandboxError>> + Send;

    /// Runs one invocation to its end. `answer` is called at most once.
    fn invoke(
        &mut self,
        invocation: Invocation,
        answer: &mut Answering<'_>,
    ) -> impl Future<Output = Result<(), SandboxError>> + Send;

    /// Waits for something to happen while there is no invocation. Dropping it loses nothing.
    fn woken(&mut self) -> impl Future<Output = Self::Woken> + Send;

    /// Does what is to be done about it. Only where many run at once is somebody answered by that.
    fn attend(
        &mut self,
        woken: Self::Woken,
        answer: &mut Answering<'_>,
    ) -> impl Future<Output = Result<(), SandboxError>> + Send;

    /// Where many run at once: begins one. It is over when it has been answered, by this call or by
    /// [`Home::attend`], and its REPORT was logged; both are done by the same call.
    fn give(
        &mut self,
        invocation: Invocation,
        answer: &mut Answering<'_>,
    ) -> impl Future<Output = Result<(), SandboxError>> + Send;

    /// Where many run at once: how many more it can be given now.
    fn idle_slots(&self) -> usize;

    /// Whether a runtime waits in it; else the next invocation begins with an init.
    fn is_ready(&self) -> bool;

    /// Stops it from running until the next invocation. One without a runtime has nothing to stop.
    ///
    /// # Errors
    /// If the kernel refuses.
    fn freeze(&mut self) -> Result<(), SandboxError>;

    /// Lets what runs in it end by itself, within the time Lambda gives that; nothing waits without
    /// extensions. Dropping it leaves what there is to [`Home::end`].
    fn wind_down(&mut self) -> impl Future<Output = Result<(), SandboxError>> + Send;

    /// Ends it; what it held is free once this is over.
    fn end(self) -> impl Future<Output = Result<(), SandboxError>> + Send;
}
