//! One call of a host, from what was asked to an exit status.

use std::process::ExitCode;

use super::super::Form;
use super::super::error::AppError;
use super::{deploy, invoke, list, remove};
use crate::config::{Color, Deploy, HostCall, InvokeDeployed, Verbosity};
use crate::usage::{Say, stderr};

/// Ctrl-C, as shells have it: 128 and the signal's number.
const EXIT_INTERRUPTED: u8 = 130;

/// What a host is called for.
#[derive(Debug)]
pub enum ClientCall {
    /// Create or update a function.
    Deploy(Deploy),
    /// Invoke one.
    Invoke(InvokeDeployed),
    /// List all.
    List {
        /// The host.
        host: HostCall,
        /// What is printed.
        form: Form,
    },
    /// Remove some.
    Remove {
        /// The host.
        host: HostCall,
        /// Which.
        names: Vec<String>,
    },
}

impl ClientCall {
    fn manner(&self) -> (Color, Verbosity) {
        match self {
            Self::Deploy(deploy) => (deploy.color, deploy.verbosity),
            Self::Invoke(invoke) => (invoke.color, invoke.verbosity),
            Self::List { host, .. } | Self::Remove { host, .. } => (host.color, host.verbosity),
        }
    }
}

/// Calls a host.
pub fn client(call: &ClientCall) -> ExitCode {
    let (color, verbosity) = call.manner();
    let say = Say::new(color, verbosity);
    let failed = |error: AppError| {
        say.error(&error, error.hint().as_deref());
        error.exit_code()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.and_then(|runtime| stderr::start().map(|()| runtime));
    ExitCode::from(match runtime.map_err(AppError::EventLoop) {
        Ok(runtime) => {
            let code = runtime.block_on(async {
                let code = tokio::select! {
                    code = act(call, say) => code.unwrap_or_else(failed),
                    // What was sent is the host's to finish.
                    _interrupted = tokio::signal::ctrl_c() => EXIT_INTERRUPTED,
                };
                stderr::written().await;
                code
            });
            // Whoever interrupts does not wait for a package to be packed.
            runtime.shutdown_background();
            code
        }
        Err(error) => failed(error),
    })
}

/// Runs what does not wait, without holding up Ctrl-C.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let working = tokio::task::spawn_blocking(work);
    working.await.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

async fn act(call: &ClientCall, say: Say) -> Result<u8, AppError> {
    match call {
        ClientCall::Deploy(deploy) => deploy::deploy(deploy, say).await,
        ClientCall::Invoke(invoke) => invoke::invoke(invoke, say).await,
        ClientCall::List { host, form } => list::list(host, *form).await,
        ClientCall::Remove { host, names } => remove::remove(host, names, say).await,
    }
}
