//! One request to a function's URL, from its host name to its answer.
//!
//! # Sources
//! `reference/lambda-service.md` section 11.

use std::time::SystemTime;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;

use super::super::body::{Unread, discard};
use super::super::error::ApiError;
use super::super::invoke::{not_run, read_trace};
use super::super::names::Named;
use super::super::reply::{self, Body};
use super::super::state::Front;
use super::{answer, cors, event};
use crate::invoke::{Request, Step};
use crate::model::{AnswerAt, RequestId};
use crate::store::UrlRecord;

/// Between a URL's id and its region.
const DOMAIN: &str = ".lambda-url.";
const MAX_BYTES: usize = 6_291_456;
/// A body, its text in the event, and the copy that is handed to the runtime.
const COPIES: u32 = 4;
const FORBIDDEN: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: \
                         https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";
const TRACE: &str = "x-amzn-trace-id";

/// The id of the URL that is called, if one is.
pub(in super::super) fn id_of(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let (id, rest) = host.split_once(DOMAIN)?;
    let domain = rest.split(':').next()?.trim_end_matches('.');
    // Whoever can name a host here must not be able to name another's (DNS rebinding).
    let is_ours = domain.to_ascii_lowercase().ends_with(".localhost");
    (is_ours && !id.contains('.')).then(|| id.to_ascii_lowercase())
}

/// Where a URL is; `port` is the listener's.
pub(in super::super) fn url(id: &str, region: &str, port: u16) -> String {
    format!("http://{id}{DOMAIN}{region}.localhost:{port}/")
}

/// Answers one request to a URL.
pub(in super::super) async fn respond(
    front: &Front,
    id: &str,
    head: Parts,
    body: Incoming,
    request_id: &str,
) -> Response<Body> {
    let found = match front.deployed.store().url(id).await {
        Ok(found) => found,
        Err(error) => return reply::error(&ApiError::failed(&error)),
    };
    let Some(url) = found else {
        discard(body).await;
        return forbidden("{\"Message\":null}".to_owned());
    };
    let origin = head.headers.get(http::header::ORIGIN).cloned();
    let mut response = if let Some(cors) = &url.cors
        && head.method == Method::OPTIONS
    {
        discard(body).await;
        cors::preflight(cors)
    } else if url.auth_type != "NONE" {
        discard(body).await;
        forbidden(serde_json::json!({ "Message": FORBIDDEN }).to_string())
    } else {
        run(front, &url, head, body, request_id).await.unwrap_or_else(|error| reply::error(&error))
    };
    if let Some(cors) = &url.cors {
        cors::put(cors, origin.as_ref(), response.headers_mut());
    }
    response
}

async fn run(
    front: &Front,
    url: &UrlRecord,
    head: Parts,
    body: Incoming,
    request_id: &str,
) -> Result<Response<Body>, ApiError> {
    let read = match front.bodies.read(body, MAX_BYTES, COPIES).await {
        Ok(read) => read,
        Err(Unread::TooLarge { .. }) => {
            return Err(ApiError::too_large(format!(
                "Request must be smaller than {MAX_BYTES} bytes for the InvokeFunction operation"
            )));
        }
        Err(Unread::Error(error)) => return Err(error),
    };
    let trace_id = read_trace(&head.headers);
    let event = event::of(&event::Received {
        head: &head,
        body: &read.bytes,
        url_id: &url.id,
        request_id,
        trace_id: &trace_id,
        listener: front.address,
        now: jiff::Timestamp::now(),
    });
    let named = Named { name: url.function.clone(), qualifier: None };
    let request = Request {
        function: url.function.clone(),
        arn: named.arn(front.identity()),
        request_id: RequestId(request_id.to_owned()),
        payload: event.into(),
        accepted: SystemTime::now(),
        trace_id: Some(trace_id.clone()),
        client_context: None,
        tenant_id: None,
        answer_at: AnswerAt::Response,
    };
    front.answers.room().await;
    let refused = |error| not_run(error, &named, front);
    let mut response = if url.invoke_mode.as_deref() == Some("RESPONSE_STREAM") {
        let mut streaming =
            front.service.stream(request, front.bandwidth).await.map_err(refused)?;
        match streaming.next().await {
            Step::Ended(ended) => answer::whole((*ended).map_err(refused)?.outcome, &front.answers),
            Step::Piece(first) => answer::streamed(first, streaming).await,
        }
    } else {
        answer::whole(front.service.invoke(request).await.map_err(refused)?.outcome, &front.answers)
    };
    if let Ok(trace_id) = HeaderValue::try_from(trace_id) {
        response.headers_mut().insert(TRACE, trace_id);
    }
    Ok(response)
}

fn forbidden(body: String) -> Response<Body> {
    let mut response = reply::bytes(StatusCode::FORBIDDEN, body.into());
    let kind = HeaderValue::from_static("AccessDeniedException");
    response.headers_mut().insert("x-amzn-errortype", kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_below_localhost_is_a_urls() {
        let id = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            id_of(&headers)
        };
        let ours = "Abc.lambda-url.us-east-1.localhost:9000";
        assert_eq!(id(ours), Some("abc".to_owned()));
        assert_eq!(id("abc.lambda-url.us-east-1.localhost"), Some("abc".to_owned()));
        for other in [
            "localhost:9000",
            "abc.lambda-url.us-east-1.on.aws",
            "a.b.lambda-url.us-east-1.localhost",
            "abc.lambda-url.us-east-1.localhost.example.com",
            "abc.lambda-url.localhost",
        ] {
            assert_eq!(id(other), None, "{other}");
        }
        assert_eq!(url("abc", "us-east-1", 9), "http://abc.lambda-url.us-east-1.localhost:9/");
    }
}
