//! `lambdabox invoke NAME`: one function of a host, with the outputs and exit statuses of a run from a
//! path.
//!
//! # Sources
//! `reference/lambda-service.md` section 7.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::answers::Answers;
use super::super::error::AppError;
use super::api::{Answer, Api, function_path};
use super::error::ClientError;
use crate::config::{InvokeDeployed, Verbosity, When};
use crate::usage::{Say, stderr};

/// The function failed.
const EXIT_FUNCTION_FAILED: u8 = 1;
const TYPE: &str = "x-amz-invocation-type";
const LOG_TYPE: &str = "x-amz-log-type";
const CLIENT_CONTEXT: &str = "x-amz-client-context";
const TENANT_ID: &str = "x-amz-tenant-id";
const FUNCTION_ERROR: &str = "x-amz-function-error";
const LOG_RESULT: &str = "x-amz-log-result";
const REQUEST_ID: &str = "x-amzn-requestid";

pub(super) async fn invoke(asked: &InvokeDeployed, say: Say) -> Result<u8, AppError> {
    let api = Api::new(&asked.endpoint);
    let (what, path) =
        (format!("invoke {}", asked.name), function_path(&asked.name, "/invocations"));
    let headers = headers(asked);
    let mut answers = None;
    let mut code = 0;
    for _ in 0..asked.repeat {
        let called = api.call(&what, &path, &headers, asked.event.clone()).await;
        let answer = called.map_err(|error| explained(error, asked))?;
        if asked.when == When::Later {
            let id = answer.header(REQUEST_ID).unwrap_or_default();
            say.notice(&format!("{}: accepted, request id {id}", asked.name));
            continue;
        }
        if asked.verbosity != Verbosity::Quiet {
            stderr::write(log_tail(&answer));
        }
        if answer.header(FUNCTION_ERROR).is_some() {
            code = EXIT_FUNCTION_FAILED;
        }
        // Made by the first answer: a call that is refused leaves the file of an earlier one alone.
        let answers = match &mut answers {
            Some(answers) => answers,
            none => none.insert(Answers::new(asked.output.as_deref(), asked.repeat)?),
        };
        match answers.write(&answer.body) {
            // What is left of --repeat would be for nobody.
            Err(AppError::ReaderGone) => break,
            written => written?,
        }
    }
    Ok(code)
}

fn headers(asked: &InvokeDeployed) -> Vec<(&'static str, String)> {
    let mut headers = match asked.when {
        When::Later => vec![(TYPE, "Event".to_owned())],
        When::Now => vec![(TYPE, "RequestResponse".to_owned()), (LOG_TYPE, "Tail".to_owned())],
    };
    let context = asked.client_context.as_ref();
    headers.extend(context.map(|json| (CLIENT_CONTEXT, STANDARD.encode(json))));
    headers.extend(asked.tenant_id.clone().map(|id| (TENANT_ID, id)));
    headers
}

/// The last of the log, as the host has it: at most 4 KB.
fn log_tail(answer: &Answer) -> Vec<u8> {
    let encoded = answer.header(LOG_RESULT).unwrap_or_default();
    let mut tail = STANDARD.decode(encoded).unwrap_or_default();
    if tail.last().is_some_and(|last| *last != b'\n') {
        tail.push(b'\n');
    }
    tail
}

/// Who typed a name may have meant a path.
fn explained(error: ClientError, asked: &InvokeDeployed) -> ClientError {
    let (path, endpoint) = (asked.no_path.clone(), asked.endpoint.clone());
    match error {
        ClientError::NoHost { .. } if asked.when == When::Now => {
            ClientError::NeitherPathNorHost { path, endpoint }
        }
        error if error.is_absent() && asked.when == When::Now => {
            ClientError::NeitherPathNorFunction { path, name: asked.name.clone(), endpoint }
        }
        error => error,
    }
}
