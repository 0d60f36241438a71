//! One request from its head to its answer.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use uuid::Uuid;

use super::answers::Answers;
use super::body::{Bodies, Unread, discard};
use super::download::Downloads;
use super::error::ApiError;
use super::guard::Guard;
use super::listener::Serving;
use super::members::Members;
use super::query::Query;
use super::reply::{self, Answer, Body, REQUEST_ID};
use super::routes::{Route, route};
use super::{account, concurrency, functions, invoke, layers, logs, not_yet, tags, url};
use crate::catalog::{Deployed, Identity};
use crate::invoke::{Queue, Service, Stop};
use crate::model::Bandwidth;
use crate::store::Records;

/// Whole request of an operation that carries a package (lambda-service.md 1).
const MAX_UPLOAD_BYTES: usize = 70_167_211;
/// An upload is text, base64's text and bytes at one time.
const UPLOAD_COPIES: u32 = 3;
/// Any other body: settings with 4 KB of variables.
const MAX_SETTINGS_BYTES: usize = 1024 * 1024;
/// From here on parsing would hold up others on the same thread.
const LARGE_BYTES: usize = 256 * 1024;

/// What a front is made of.
pub struct Parts {
    /// What is deployed.
    pub deployed: Arc<Deployed>,
    /// Runs functions.
    pub service: Service,
    /// Keeps accepted events.
    pub queue: Arc<Queue>,
    /// Keeps what happened.
    pub records: Records,
    /// Where AWS clients are answered, and function URLs.
    pub address: SocketAddr,
    /// Values of `Origin` that may call.
    pub allow_origin: Vec<String>,
    /// Invocations at once of all functions (`ConcurrentExecutions`).
    pub concurrency: u32,
    /// How fast streamed answers flow.
    pub bandwidth: Bandwidth,
    /// Tells the operator.
    pub say: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Answers AWS clients.
pub struct Front {
    pub(super) deployed: Arc<Deployed>,
    pub(super) service: Service,
    pub(super) queue: Arc<Queue>,
    pub(super) records: Records,
    pub(super) downloads: Downloads,
    pub(super) address: SocketAddr,
    pub(super) concurrency: u32,
    pub(super) bandwidth: Bandwidth,
    pub(super) say: Arc<dyn Fn(&str) + Send + Sync>,
    pub(super) bodies: Bodies,
    pub(super) answers: Answers,
    guard: Guard,
}

/// What an operation looks at of its request.
pub(super) struct Call {
    /// `x-amzn-RequestId`; of Invoke also the invocation's.
    pub(super) request_id: String,
    pub(super) headers: HeaderMap,
    pub(super) query: Query,
    pub(super) body: Incoming,
}

impl Front {
    /// Joins the parts.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            deployed,
            service,
            queue,
            records,
            address,
            allow_origin,
            concurrency,
            bandwidth,
            say,
        } = parts;
        let guard = Guard { allowed: allow_origin };
        let (downloads, bodies) = (Downloads::default(), Bodies::new());
        let answers = Answers::default();
        Self {
            deployed,
            service,
            queue,
            records,
            downloads,
            address,
            concurrency,
            bandwidth,
            say,
            bodies,
            answers,
            guard,
        }
    }

    /// Answers until the host is to end, and every caller has its answer.
    pub async fn serve(self, on: Serving, stop: Stop) {
        let front = Arc::new(self);
        let answers = front.answers.clone();
        let stopping = stop.clone();
        let answer = move |request| {
            let (front, stop) = (Arc::clone(&front), stopping.clone());
            async move { front.answer(request, &stop).await }
        };
        on.serve(answer, &answers, stop).await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, stop: &Stop) -> Response<Body> {
        let request_id = Uuid::new_v4().to_string();
        let (head, body) = request.into_parts();
        let called = url::id_of(&head.headers);
        let mut response = match (called, self.guard.check(&head.headers)) {
            (Some(_), _) if *stop.borrow() => {
                discard(body).await;
                reply::error(&ApiError::shutting_down())
            }
            // Anybody's page may call a URL that it knows: that is what it is for.
            (Some(id), _) => url::respond(&self, &id, head, body, &request_id).await,
            (None, Err(refused)) => {
                discard(body).await;
                reply::error(&refused)
            }
            (None, Ok(Some(origin))) if head.method == Method::OPTIONS => preflight(&origin),
            (None, Ok(origin)) => {
                let query = Query::parse(head.uri.query());
                let route =
                    logs::route(&head).or_else(|| route(&head.method, head.uri.path(), &query));
                let (headers, request_id) = (head.headers, request_id.clone());
                let call = Call { request_id, headers, query, body };
                let answer = match route {
                    None => {
                        discard(call.body).await;
                        let (method, path) = (&head.method, head.uri.path());
                        Err(ApiError::unknown_operation(match not_yet::named(method, path) {
                            Some(operation) => format!("lambdabox does not have {operation} yet."),
                            None => format!("lambdabox has no operation {method} {path}"),
                        }))
                    }
                    Some(_) if *stop.borrow() => Err(ApiError::shutting_down()),
                    Some(route) => self.act(route, call).await,
                };
                let mut response = answer.unwrap_or_else(|error| reply::error(&error));
                if let Some(origin) = origin.and_then(|origin| HeaderValue::try_from(origin).ok()) {
                    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                }
                response
            }
        };
        let request_id = HeaderValue::try_from(request_id).expect("an id is plain text");
        response.headers_mut().insert(REQUEST_ID, request_id);
        response
    }

    async fn act(&self, route: Route, call: Call) -> Answer {
        match route {
            Route::CreateFunction => functions::create(self, call).await,
            Route::ListFunctions => functions::list(self, &call).await,
            Route::GetFunction(name) => functions::get(self, &name, &call).await,
            Route::DeleteFunction(name) => functions::delete(self, &name, &call).await,
            Route::GetFunctionConfiguration(name) => {
                functions::get_configuration(self, &name, &call).await
            }
            Route::UpdateFunctionConfiguration(name) => {
                functions::update_configuration(self, &name, call).await
            }
            Route::UpdateFunctionCode(name) => functions::update_code(self, &name, call).await,
            Route::Invoke(name) => invoke::invoke(self, &name, call).await,
            Route::InvokeWithResponseStream(name) => invoke::stream(self, &name, call).await,
            Route::InvokeAsync(name) => invoke::later(self, &name, call).await,
            Route::PutFunctionConcurrency(name) => concurrency::put(self, &name, call).await,
            Route::GetFunctionConcurrency(name) => concurrency::get(self, &name).await,
            Route::DeleteFunctionConcurrency(name) => concurrency::delete(self, &name).await,
            Route::PublishLayerVersion(name) => layers::publish(self, &name, call).await,
            Route::GetLayerVersion(name, version) => {
                layers::get(self, &name, &version, &call).await
            }
            Route::GetLayerVersionByArn => layers::get_by_arn(self, &call).await,
            Route::DeleteLayerVersion(name, version) => layers::delete(self, &name, &version).await,
            Route::ListLayers => layers::list(self, &call).await,
            Route::ListLayerVersions(name) => layers::list_versions(self, &name, &call).await,
            Route::CreateFunctionUrlConfig(name) => url::config::create(self, &name, call).await,
            Route::GetFunctionUrlConfig(name) => url::config::get(self, &name, &call).await,
            Route::UpdateFunctionUrlConfig(name) => url::config::update(self, &name, call).await,
            Route::DeleteFunctionUrlConfig(name) => url::config::delete(self, &name, &call).await,
            Route::ListFunctionUrlConfigs(name) => url::config::list(self, &name, &call).await,
            Route::GetAccountSettings => account::get(self).await,
            Route::ListTags(arn) => tags::list(self, &arn).await,
            Route::TagResource(arn) => tags::add(self, &arn, call).await,
            Route::UntagResource(arn) => tags::remove(self, &arn, &call).await,
            Route::Logs(operation) => logs::answer(self, &operation, call).await,
            Route::Echo => self.echo(call.body).await,
            Route::Download(token) => self.downloads.answer(self, &token).await,
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        self.deployed.identity()
    }

    /// The same bytes back: what `scripts/bench warm` holds an invocation against.
    async fn echo(&self, body: Incoming) -> Answer {
        match self.bodies.read(body, MAX_SETTINGS_BYTES, 1).await {
            Ok(read) => Ok(reply::bytes(StatusCode::OK, read.bytes)),
            Err(Unread::TooLarge { .. }) => Err(ApiError::too_large(format!(
                "Request must be smaller than {MAX_SETTINGS_BYTES} bytes"
            ))),
            Err(Unread::Error(error)) => Err(error),
        }
    }

    /// The members of a body that holds settings.
    pub(super) async fn settings(&self, body: Incoming) -> Result<Members, ApiError> {
        match self.bodies.read(body, MAX_SETTINGS_BYTES, 1).await {
            Ok(read) => Members::parse(&read.bytes),
            Err(Unread::TooLarge { .. }) => Err(ApiError::too_large(format!(
                "Request must be smaller than {MAX_SETTINGS_BYTES} bytes"
            ))),
            Err(Unread::Error(error)) => Err(error),
        }
    }

    /// The members of a body that carries a package, and the right to that much memory.
    pub(super) async fn upload(
        &self,
        body: Incoming,
        operation: &str,
    ) -> Result<(Members, tokio::sync::OwnedSemaphorePermit), ApiError> {
        let read = match self.bodies.read(body, MAX_UPLOAD_BYTES, UPLOAD_COPIES).await {
            Ok(read) => read,
            Err(Unread::TooLarge { .. }) => {
                return Err(ApiError::too_large(format!(
                    "Request must be smaller than {MAX_UPLOAD_BYTES} bytes for the {operation} \
                     operation"
                )));
            }
            Err(Unread::Error(error)) => return Err(error),
        };
        let bytes = read.bytes;
        let members = match bytes.len() < LARGE_BYTES {
            true => Members::parse(&bytes)?,
            false => off_thread(move || Members::parse(&bytes)).await?,
        };
        Ok((members, read.held))
    }
}

/// Runs what takes long and does not wait, where it holds up nobody.
pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let working = tokio::task::spawn_blocking(work);
    working.await.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

/// What a browser asks before it lets an allowed page send a signed request.
fn preflight(origin: &str) -> Response<Body> {
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    for (name, value) in [
        ("access-control-allow-methods", "GET, POST, PUT, DELETE"),
        ("access-control-allow-headers", "*, authorization"),
        ("access-control-max-age", "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("deployed", &self.deployed).finish_non_exhaustive()
    }
}
