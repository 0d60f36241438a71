//! A part of a sandbox that is made ahead of need, while other parts are.

use std::future::Future;

use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinHandle;

use super::error::SandboxError;

type Making<T> = JoinHandle<Result<T, SandboxError>>;

/// A value in the making. Dropping it lets the making end by itself and drops the value.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    /// Stays until it has ended: whoever stops waiting for it, as at Ctrl-C, must not lose the value,
    /// which somebody has to take down again.
    making: Mutex<Option<Making<T>>>,
    made: OnceCell<T>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Starts making it, on the current tokio runtime.
    pub(crate) fn start(
        making: impl Future<Output = Result<T, SandboxError>> + Send + 'static,
    ) -> Self {
        let making = Mutex::new(Some(tokio::spawn(making)));
        Self { making, made: OnceCell::new() }
    }

    /// The value, waiting for it the first time.
    ///
    /// # Errors
    /// Why it could not be made; asked again after that, that it is not there.
    pub(crate) async fn get(&self) -> Result<&T, SandboxError> {
        self.made.get_or_try_init(async || wait(&mut *self.making.lock().await).await).await
    }

    /// The value itself, waiting for it if nobody has; `None` if it could not be made and somebody
    /// has been told.
    ///
    /// # Errors
    /// Why it could not be made.
    pub(crate) async fn into_made(mut self) -> Result<Option<T>, SandboxError> {
        if let Some(made) = self.made.take() {
            return Ok(Some(made));
        }
        match self.making.get_mut() {
            Some(_) => wait(self.making.get_mut()).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Waits for the end of it. Dropping the future loses nothing.
async fn wait<T>(making: &mut Option<Making<T>>) -> Result<T, SandboxError> {
    let Some(task) = making else {
        return Err(SandboxError::Ahead(std::io::Error::other("it could not be made before")));
    };
    let made = task.await;
    *making = None;
    made.unwrap_or_else(|lost| Err(SandboxError::Ahead(lost.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_stops_waiting_does_not_lose_the_value() {
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let ahead = Ahead::start(async move {
            finished.await.map_err(|lost| SandboxError::Ahead(std::io::Error::other(lost)))?;
            Ok(7)
        });
        tokio::select! {
            biased;
            _ = ahead.get() => panic!("it is not made yet"),
            () = tokio::task::yield_now() => {}
        }
        finish.send(()).unwrap();
        assert_eq!(ahead.into_made().await.unwrap(), Some(7));
    }

    #[tokio::test]
    async fn a_failure_is_told_once() {
        let failing = async { Err::<(), _>(SandboxError::InitEnded) };
        let ahead = Ahead::start(failing);
        assert!(matches!(ahead.get().await, Err(SandboxError::InitEnded)));
        assert!(matches!(ahead.get().await, Err(SandboxError::Ahead(_))));
        assert!(ahead.into_made().await.unwrap().is_none());
    }
}
