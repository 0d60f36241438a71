//! A part of a sandbox that is made ahead of need, while other parts are.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::error::SandboxError;

type Making<T> = JoinHandle<Result<T, SandboxError>>;

/// A value in the making. Dropping it lets the making end by itself and drops the value.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    /// Taken by whoever needs the value first.
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
        self.made.get_or_try_init(|| wait(self.take_making())).await
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
        match self.take_making() {
            Some(making) => wait(Some(making)).await.map(Some),
            None => Ok(None),
        }
    }

    fn take_making(&self) -> Option<Making<T>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn wait<T>(making: Option<Making<T>>) -> Result<T, SandboxError> {
    match making {
        Some(making) => making.await.unwrap_or_else(|lost| Err(SandboxError::Ahead(lost.into()))),
        None => Err(SandboxError::Ahead(std::io::Error::other("it could not be made before"))),
    }
}
