//! Paths and methods.
//!
//! # Sources
//! `reference/runtime-api.md` 0.1, 1.1 and 2.1.

use http::Method;
use http::request::Parts;
use hyper::body::Incoming;

use super::reply::{self, Reply};
use super::session::Answer;
use super::shared::Shared;
use super::{body, credentials, error, extensions, init_error, next, response, restore, telemetry};

/// Version of the Runtime API, the first segment of its paths.
const RUNTIME: &str = "/2018-06-01/";

/// A known path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Ping,
    Next,
    Answer { id: &'a str, kind: Answer },
    InitError,
    RestoreNext,
    RestoreError,
    Credentials,
    Extension(extensions::Call),
    Subscribe(telemetry::Api),
}

impl<'a> Route<'a> {
    /// What a path names, whatever the method.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        if path == credentials::PATH {
            return Some(Self::Credentials);
        }
        let Some(path) = path.strip_prefix(RUNTIME) else {
            let extension = extensions::Call::of(path).map(Self::Extension);
            return extension.or_else(|| telemetry::Api::of(path).map(Self::Subscribe));
        };
        Some(match path {
            "ping" => Self::Ping,
            "runtime/invocation/next" => Self::Next,
            "runtime/init/error" => Self::InitError,
            "runtime/restore/next" => Self::RestoreNext,
            "runtime/restore/error" => Self::RestoreError,
            other => {
                let (id, call) = other.strip_prefix("runtime/invocation/")?.split_once('/')?;
                let kind = match call {
                    "response" => Answer::Response,
                    "error" => Answer::Error,
                    _ => return None,
                };
                return (!id.is_empty()).then_some(Self::Answer { id, kind });
            }
        })
    }

    fn method(self) -> Method {
        match self {
            Self::Ping | Self::Next | Self::RestoreNext | Self::Credentials => Method::GET,
            Self::Answer { .. } | Self::InitError | Self::RestoreError => Method::POST,
            Self::Extension(call) => call.method(),
            Self::Subscribe(_) => Method::PUT,
        }
    }
}

/// Answers one request. Whatever is left of its body is taken, so that the answer arrives.
pub(crate) async fn answer(shared: &Shared, head: &Parts, body: &mut Incoming) -> Reply {
    let reply = match dispatch(shared, head, body).await {
        Ok(reply) => return reply,
        Err(reply) => reply,
    };
    body::discard(&head.headers, body).await;
    reply
}

/// `Err` may leave the body unread.
async fn dispatch(shared: &Shared, head: &Parts, body: &mut Incoming) -> Result<Reply, Reply> {
    let Some(route) = Route::of(head.uri.path()) else { return Err(reply::not_found()) };
    if matches!(route, Route::RestoreNext | Route::RestoreError | Route::Credentials) {
        // 404 before 405: without snapshots these paths are unknown.
        shared.session().restore_exists()?;
    }
    let is_extensions = matches!(route, Route::Extension(_) | Route::Subscribe(_));
    if is_extensions && shared.session().extensions.facts().is_none() {
        return Err(reply::not_found());
    }
    if head.method != route.method() {
        return Err(reply::method_not_allowed());
    }
    if !is_extensions && route != Route::Credentials {
        shared.release().observe(&head.headers);
    }
    match route {
        Route::Ping => Ok(reply::pong()),
        Route::Next => next::next(shared).await,
        Route::Answer { id, kind: Answer::Response } => {
            response::response(shared, id, &head.headers, body).await
        }
        Route::Answer { id, kind: Answer::Error } => {
            error::error(shared, id, &head.headers, body).await
        }
        Route::InitError => init_error::init_error(shared, &head.headers, body).await,
        Route::RestoreNext => restore::next(shared).await,
        Route::RestoreError => restore::error(shared, &head.headers, body).await,
        Route::Credentials => Ok(credentials::answer(shared, &head.headers)),
        Route::Extension(call) => extensions::answer(shared, call, head, body).await,
        Route::Subscribe(api) => telemetry::subscribe(shared, api, &head.headers, body).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_known_paths_are_routes() {
        let response = Route::Answer { id: "a-1", kind: Answer::Response };
        assert_eq!(Route::of("/2018-06-01/runtime/invocation/a-1/response"), Some(response));
        assert_eq!(Route::of("/2018-06-01/runtime/invocation/next"), Some(Route::Next));
        assert_eq!(Route::of("/2018-06-01/ping"), Some(Route::Ping));
        for unknown in [
            "",
            "/",
            "/ping",
            "/2018-06-01/ping/",
            "/2018-06-01/runtime/invocation/next/",
            "/2018-06-01/runtime/invocation//response",
            "/2018-06-01/runtime/invocation/a/b/response",
            "/2018-06-01/runtime/invocation/a/Response",
            "/2018-06-01//runtime/invocation/next",
            "/2020-01-01/extension/register/",
            "/2018-06-01/extension/register",
        ] {
            assert_eq!(Route::of(unknown), None, "{unknown}");
        }
    }
}
