//! One synchronous invocation: resolve, make, run.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use uuid::Uuid;

use super::Invoker;
use crate::catalog::{DeployError, Deployed};
use crate::model::{Invocation, Invoked, Refused, RequestId, Version};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Bare name of the function.
    pub function: String,
    /// As the invoker named it, qualifier and all.
    pub arn: String,
    /// Its id, for caller, function and log.
    pub request_id: RequestId,
    /// The event.
    pub payload: Bytes,
    /// The caller's trace; a new one if absent.
    pub trace_id: Option<String>,
    /// Decoded client context, JSON text.
    pub client_context: Option<String>,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The function cannot be had.
    #[error("failed to {0}")]
    Resolve(#[source] DeployError),
    /// It cannot be run now.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Runs functions by name.
#[derive(Clone)]
pub struct Service {
    deployed: Arc<Deployed>,
    invoker: Arc<dyn Invoker>,
}

impl Service {
    /// Of what is deployed, by whoever has environments.
    pub fn new(deployed: Arc<Deployed>, invoker: Arc<dyn Invoker>) -> Self {
        Self { deployed, invoker }
    }

    /// Runs one invocation. Dropping the future does not stop it.
    ///
    /// # Errors
    /// Why it was not run.
    pub async fn invoke(&self, request: Request) -> Result<Invoked, InvokeError> {
        let version =
            self.deployed.resolve(&request.function).await.map_err(InvokeError::Resolve)?;
        let invocation = invocation(&version, request);
        // A task of its own: a caller that hangs up drops this future, and not the invocation.
        let running = tokio::spawn(self.invoker.invoke(version, invocation));
        match running.await {
            Ok(invoked) => Ok(invoked?),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

fn invocation(version: &Version, request: Request) -> Invocation {
    let timeout = version.function.timeout;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Invocation {
        request_id: request.request_id,
        attempt_id: Uuid::new_v4().to_string(),
        payload: request.payload,
        content_type: "application/json".to_owned(),
        arn: request.arn,
        timeout,
        deadline_epoch_ms: u64::try_from((now + timeout).as_millis()).unwrap_or(u64::MAX),
        trace_id: Some(request.trace_id.unwrap_or_else(new_trace)),
        client_context: request.client_context,
        cognito_identity: None,
        tenant_id: None,
    }
}

/// X-Ray's form; nothing is sampled here.
pub(crate) fn new_trace() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let [trace, segment] = [(); 2].map(|()| Uuid::new_v4().simple().to_string());
    format!("Root=1-{:08x}-{};Parent={};Sampled=0", now.as_secs(), &trace[..24], &segment[..16])
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}
