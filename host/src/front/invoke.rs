//! Invoke: now, later, or only asked whether; InvokeWithResponseStream, the same as it comes; and
//! InvokeAsync, an older way of saying later.
//!
//! # Sources
//! `reference/lambda-service.md` sections 3, 7, 8, 12 and 13.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::de::IgnoredAny;

use super::body::{Read, Unread};
use super::error::ApiError;
use super::functions::refused;
use super::names::{LATEST, NAMESPACED, Named};
use super::reply::{self, Answer, Body};
use super::state::{Call, Front};
use super::stream;
use super::validate::Violations;
use crate::catalog::{DeployError, Deployed};
use crate::invoke::{InvokeError, Request, Step};
use crate::model::{
    AnswerAt, Invoked, MAX_CLIENT_CONTEXT_BYTES, Outcome, Refused, RequestId, TENANT_PATTERN,
    Tenancy, is_tenant_id, new_root,
};
use crate::store::{FunctionRecord, QueuedEvent};

const MAX_SYNC_BYTES: usize = 6_291_456;
const MAX_ASYNC_BYTES: usize = 1_048_576;
/// Of the older operation.
const MAX_INVOKE_ASYNC_BYTES: usize = 262_144;
/// An event and the copy that is handed to the runtime.
const COPIES: u32 = 2;
/// Longest trace that is passed on; the service's own are about 70 bytes.
const MAX_TRACE_BYTES: usize = 512;
/// The name the official emulator has for the function it runs.
const ANY_FUNCTION: &str = "function";

const TYPE: &str = "x-amz-invocation-type";
const LOG_TYPE: &str = "x-amz-log-type";
const CLIENT_CONTEXT: &str = "x-amz-client-context";
const TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
/// Members of the model that mean something lambdabox has not.
const NOT_YET: [&str; 1] = ["x-amz-durable-execution-name"];
const TENANT_ID: &str = "x-amz-tenant-id";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogType {
    Nothing,
    Tail,
}

/// Which operation was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Invoke,
    InvokeWithResponseStream,
    InvokeAsync,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Invoke => "InvokeFunction",
            Self::InvokeWithResponseStream => "InvokeWithResponseStream",
            Self::InvokeAsync => "InvokeAsync",
        }
    }

    /// The largest event that is accepted for later.
    fn max_async_bytes(self) -> usize {
        match self {
            Self::Invoke | Self::InvokeWithResponseStream => MAX_ASYNC_BYTES,
            Self::InvokeAsync => MAX_INVOKE_ASYNC_BYTES,
        }
    }
}

/// What the headers say.
struct Asked {
    kind: Kind,
    log_type: LogType,
    client_context: Option<String>,
    trace_id: String,
    tenant_id: Option<String>,
}

pub(super) async fn invoke(front: &Front, name: &str, call: Call) -> Answer {
    operate(front, name, call, Operation::Invoke).await
}

pub(super) async fn stream(front: &Front, name: &str, call: Call) -> Answer {
    operate(front, name, call, Operation::InvokeWithResponseStream).await
}

pub(super) async fn later(front: &Front, name: &str, call: Call) -> Answer {
    operate(front, name, call, Operation::InvokeAsync).await
}

async fn operate(front: &Front, name: &str, call: Call, operation: Operation) -> Answer {
    let identity = front.identity();
    let asked = Asked::read(&call.headers, operation)?;
    let named = Named::read(name, call.query.get("Qualifier"), NAMESPACED, identity)?;
    let named = by_any_name(front, named).await?;
    let read = payload(front, call.body, asked.kind, operation).await?;
    if !named.is_latest() {
        return Err(named.not_found(identity));
    }
    let arn = named.qualified_arn(identity);
    let failed = |error| cannot(error, &named, front);
    match asked.kind {
        Kind::DryRun => {
            let record = front.deployed.find(&named.name).await.map_err(failed)?;
            check_tenant(&record, &asked)?;
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        Kind::Event => {
            let record = front.deployed.find(&named.name).await.map_err(failed)?;
            check_tenant(&record, &asked)?;
            Deployed::check_invocable(&record).map_err(failed)?;
            let event = QueuedEvent {
                function: named.name.clone(),
                arn,
                request_id: call.request_id,
                trace_id: asked.trace_id.clone(),
                tenant_id: asked.tenant_id.clone(),
                accepted_ms: now_ms(),
                payload: read.bytes.to_vec(),
            };
            let accepted = front.queue.accept(event).await;
            accepted.map_err(|error| ApiError::failed(&error))?;
            let mut response = reply::empty(StatusCode::ACCEPTED);
            put(&mut response, TRACE, &asked.trace_id);
            Ok(response)
        }
        Kind::RequestResponse => {
            let request = Request {
                function: named.name.clone(),
                arn,
                request_id: RequestId(call.request_id),
                payload: read.bytes,
                accepted: SystemTime::now(),
                trace_id: Some(asked.trace_id.clone()),
                client_context: asked.client_context.clone(),
                tenant_id: asked.tenant_id.clone(),
                answer_at: match asked.log_type {
                    LogType::Nothing => AnswerAt::Response,
                    LogType::Tail => AnswerAt::Report,
                },
            };
            front.answers.room().await;
            let not_run = |error| not_run(error, &named, front);
            if operation == Operation::Invoke {
                let invoked = front.service.invoke(request).await.map_err(not_run)?;
                return Ok(answered(invoked, &asked, front));
            }
            let mut streaming =
                front.service.stream(request, front.bandwidth).await.map_err(not_run)?;
            // A status can be told only before the answer begins.
            let first = match streaming.next().await {
                Step::Ended(ended) => Step::Ended(Box::new(Ok((*ended).map_err(not_run)?))),
                first => first,
            };
            let mut response =
                stream::answer(first, streaming, asked.log_type, front.answers.clone());
            put(&mut response, EXECUTED_VERSION, LATEST);
            put(&mut response, TRACE, &asked.trace_id);
            Ok(response)
        }
    }
}

impl Asked {
    fn read(headers: &HeaderMap, operation: Operation) -> Result<Self, ApiError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if operation == Operation::InvokeAsync {
            // It has no headers of its own.
            let (kind, log_type, trace_id) = (Kind::Event, LogType::Nothing, read_trace(headers));
            let (client_context, tenant_id) = (None, None);
            return Ok(Self { kind, log_type, client_context, trace_id, tenant_id });
        }
        let mut violations = Violations::default();
        let kind = match text(TYPE) {
            None | Some("RequestResponse") => Kind::RequestResponse,
            Some("Event") if operation == Operation::Invoke => Kind::Event,
            Some("DryRun") => Kind::DryRun,
            Some(other) => {
                let words = match operation {
                    Operation::InvokeWithResponseStream => &["RequestResponse", "DryRun"][..],
                    Operation::Invoke | Operation::InvokeAsync => {
                        &["Event", "RequestResponse", "DryRun"]
                    }
                };
                violations.word("invocationType", other, words);
                Kind::DryRun
            }
        };
        let log_type = match text(LOG_TYPE) {
            None | Some("None") => LogType::Nothing,
            Some("Tail") => LogType::Tail,
            Some(other) => {
                violations.word("logType", other, &["None", "Tail"]);
                LogType::Nothing
            }
        };
        let tenant_id = headers.get(TENANT_ID).map(|value| value.to_str().unwrap_or("?"));
        if let Some(id) = tenant_id.filter(|id| !is_tenant_id(id)) {
            violations.length("tenantId", id, 1..=256);
            if !id.bytes().all(|byte| is_tenant_id(&char::from(byte).to_string())) {
                violations.pattern("tenantId", id, TENANT_PATTERN);
            }
        }
        violations.finish()?;
        if let Some(name) = NOT_YET.into_iter().find(|name| headers.contains_key(*name)) {
            return Err(ApiError::invalid(format!("lambdabox does not have {name} yet.")));
        }
        let client_context = match (kind, headers.get(CLIENT_CONTEXT)) {
            // Only what is answered at once has one.
            (Kind::RequestResponse, Some(value)) => Some(client_context(value.as_bytes())?),
            _ => None,
        };
        let trace_id = read_trace(headers);
        let tenant_id = tenant_id.map(str::to_owned);
        Ok(Self { kind, log_type, client_context, trace_id, tenant_id })
    }
}

/// What [`Service`](crate::invoke::Service) checks of an invocation that runs at once.
fn check_tenant(record: &FunctionRecord, asked: &Asked) -> Result<(), ApiError> {
    let tenancy =
        if record.configuration.is_per_tenant { Tenancy::PerTenant } else { Tenancy::Shared };
    let checked = tenancy.check(asked.tenant_id.as_deref());
    checked.map_err(|mismatch| ApiError::invalid(mismatch.to_string()))
}

/// The caller's trace, or a new one; what it has not is added when it is passed on.
pub(super) fn read_trace(headers: &HeaderMap) -> String {
    let given = headers
        .get(TRACE)
        .and_then(|value| value.to_str().ok())
        .filter(|trace| (1..=MAX_TRACE_BYTES).contains(&trace.len()) && trace.contains("Root="));
    given.map_or_else(|| format!("Root={}", new_root(SystemTime::now())), str::to_owned)
}

fn client_context(value: &[u8]) -> Result<String, ApiError> {
    if value.len() > MAX_CLIENT_CONTEXT_BYTES {
        return Err(ApiError::invalid(format!(
            "Client context must be smaller than {MAX_CLIENT_CONTEXT_BYTES} bytes."
        )));
    }
    let wrong =
        || ApiError::request_content("Client context must be a valid Base64-encoded JSON object.");
    let decoded = STANDARD.decode(value).map_err(|_| wrong())?;
    let text = String::from_utf8(decoded).map_err(|_| wrong())?;
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(wrong()),
    }
}

/// The event: JSON within its limit; nothing is an empty object.
async fn payload(
    front: &Front,
    body: hyper::body::Incoming,
    kind: Kind,
    operation: Operation,
) -> Result<Read, ApiError> {
    let mut read = match front.bodies.read(body, MAX_SYNC_BYTES, COPIES).await {
        Ok(read) => read,
        Err(Unread::TooLarge { declared }) => {
            return Err(match (kind, declared) {
                (Kind::Event, Some(bytes)) => too_large_async(bytes, operation),
                _ => ApiError::too_large(format!(
                    "Request must be smaller than {MAX_SYNC_BYTES} bytes for the {} operation",
                    operation.name()
                )),
            });
        }
        Err(Unread::Error(error)) => return Err(error),
    };
    let bytes = read.bytes.len();
    if kind == Kind::Event && bytes > operation.max_async_bytes() {
        return Err(too_large_async(bytes.try_into().unwrap_or(u64::MAX), operation));
    }
    if bytes == 0 {
        read.bytes = Bytes::from_static(b"{}");
    }
    match serde_json::from_slice::<IgnoredAny>(&read.bytes) {
        Ok(_) => Ok(read),
        Err(error) => Err(ApiError::request_content(format!(
            "Could not parse request body into json: Could not parse payload into json: {error}"
        ))),
    }
}

fn too_large_async(bytes: u64, operation: Operation) -> ApiError {
    let limit = operation.max_async_bytes();
    ApiError::too_large(format!(
        "{bytes} byte payload is too large for the Event invocation type (limit {limit} bytes)"
    ))
}

/// The emulator's habit: `function` is the only one there is.
async fn by_any_name(front: &Front, named: Named) -> Result<Named, ApiError> {
    if named.name != ANY_FUNCTION {
        return Ok(named);
    }
    let found = front.deployed.store().functions(LATEST, None, 2).await;
    let found = found.map_err(|error| ApiError::failed(&error))?;
    Ok(match found.as_slice() {
        [only] => Named { name: only.name.clone(), ..named },
        _ => named,
    })
}

fn answered(invoked: Invoked, asked: &Asked, front: &Front) -> Response<Body> {
    let (payload, content_type, failed) = match invoked.outcome {
        Outcome::Answered { payload, content_type } => (payload, content_type, None),
        // Only what was asked for as a stream comes as one.
        Outcome::Streamed { .. } => (Bytes::new(), None, None),
        Outcome::Failed(failure) => (failure.payload, None, Some("Unhandled")),
    };
    let mut response = reply::bytes(StatusCode::OK, front.answers.count(payload));
    if let Some(content_type) = content_type {
        put(&mut response, CONTENT_TYPE, &content_type);
    }
    put(&mut response, EXECUTED_VERSION, LATEST);
    put(&mut response, TRACE, &asked.trace_id);
    if let Some(failed) = failed {
        put(&mut response, FUNCTION_ERROR, failed);
    }
    if asked.log_type == LogType::Tail {
        put(&mut response, LOG_RESULT, &STANDARD.encode(invoked.log_tail));
    }
    response
}

/// A header; one that HTTP cannot carry is left out.
fn put(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Why there is no such function; this operation names the version (section 5).
fn cannot(error: DeployError, named: &Named, front: &Front) -> ApiError {
    match error {
        DeployError::NoFunction { .. } => {
            let arn = named.arn(front.identity());
            ApiError::not_found(format!("Function not found: {arn}:{LATEST}"))
        }
        error => refused(error, named, front.identity()),
    }
}

/// Why it was not run.
pub(super) fn not_run(error: InvokeError, named: &Named, front: &Front) -> ApiError {
    match error {
        InvokeError::Resolve(error) => cannot(error, named, front),
        InvokeError::Tenant(mismatch) => ApiError::invalid(mismatch.to_string()),
        InvokeError::Refused(refused) => throttled(&refused, front),
    }
}

fn throttled(refused: &Refused, front: &Front) -> ApiError {
    match refused {
        Refused::ReservedConcurrency => {
            ApiError::throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        }
        Refused::AccountConcurrency => ApiError::throttled("ConcurrentInvocationLimitExceeded"),
        Refused::NoMemory { .. } => {
            (front.say)(&format!("an invocation was refused: {refused}"));
            ApiError::throttled("ConcurrentInvocationLimitExceeded")
        }
        Refused::ShuttingDown => ApiError::shutting_down(),
        Refused::Sandbox(_) => {
            (front.say)(&format!("an invocation was refused: {refused}"));
            ApiError::service(refused.to_string())
        }
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
