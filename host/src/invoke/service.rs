//! One synchronous invocation: resolve, make, run.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::Invoker;
use super::sampling::Sampler;
use super::streaming::Streaming;
use crate::catalog::{DeployError, Deployed};
use crate::model::{
    AnswerAt, Bandwidth, Invocation, Invoked, Refused, RequestId, StreamTo, TenantMismatch,
    Version, passed_on,
};

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
    /// When it was accepted.
    pub accepted: SystemTime,
    /// The caller's trace; a new one if absent.
    pub trace_id: Option<String>,
    /// Decoded client context, JSON text.
    pub client_context: Option<String>,
    /// Of a function of many tenants, whose it is.
    pub tenant_id: Option<String>,
    /// What it waits for.
    pub answer_at: AnswerAt,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The function cannot be had.
    #[error("failed to {0}")]
    Resolve(#[source] DeployError),
    /// It is of no tenant, or of one where there are none.
    #[error(transparent)]
    Tenant(#[from] TenantMismatch),
    /// It cannot be run now.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Runs functions by name.
#[derive(Clone)]
pub struct Service {
    deployed: Arc<Deployed>,
    invoker: Arc<dyn Invoker>,
    sampler: Arc<Sampler>,
}

impl Service {
    /// Of what is deployed, by whoever has environments.
    pub fn new(deployed: Arc<Deployed>, invoker: Arc<dyn Invoker>) -> Self {
        Self { deployed, invoker, sampler: Arc::default() }
    }

    /// Runs one invocation. Dropping the future does not stop it.
    ///
    /// # Errors
    /// Why it was not run.
    pub async fn invoke(&self, request: Request) -> Result<Invoked, InvokeError> {
        match self.begin(request, None).await?.await {
            Ok(invoked) => invoked,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Begins one invocation whose answer is read as it comes.
    ///
    /// # Errors
    /// Why there is no such function; why it was not run comes as the outcome.
    pub async fn stream(
        &self,
        request: Request,
        bandwidth: Bandwidth,
    ) -> Result<Streaming, InvokeError> {
        let (stream_to, pieces) = StreamTo::new(bandwidth);
        let running = self.begin(request, Some(stream_to)).await?;
        Ok(Streaming::new(pieces, running))
    }

    /// A task of its own: a caller that hangs up drops what waits for it, and not the invocation.
    async fn begin(
        &self,
        request: Request,
        stream_to: Option<StreamTo>,
    ) -> Result<JoinHandle<Result<Invoked, InvokeError>>, InvokeError> {
        let version =
            self.deployed.resolve(&request.function).await.map_err(InvokeError::Resolve)?;
        version.tenancy.check(request.tenant_id.as_deref())?;
        let invocation = Invocation { stream_to, ..self.invocation(&version, request) };
        let running = self.invoker.invoke(version, invocation);
        Ok(tokio::spawn(async move { Ok(running.await?) }))
    }

    fn invocation(&self, version: &Version, request: Request) -> Invocation {
        let function = &version.function;
        let timeout = function.timeout;
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (given, accepted) = (request.trace_id.as_deref(), request.accepted);
        let decide = || self.sampler.decide(&function.name, now);
        let (trace_id, traced) =
            passed_on(given, accepted, function.tracing, &function.arn(), decide);
        Invocation {
            request_id: request.request_id,
            attempt_id: Uuid::new_v4().to_string(),
            payload: request.payload,
            content_type: "application/json".to_owned(),
            arn: request.arn,
            timeout,
            deadline_epoch_ms: u64::try_from((since + timeout).as_millis()).unwrap_or(u64::MAX),
            trace_id: Some(trace_id),
            client_context: request.client_context,
            cognito_identity: None,
            tenant_id: request.tenant_id,
            stream_to: None,
            traced,
            answer_at: request.answer_at,
        }
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}
