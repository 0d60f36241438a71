//! Errors as AWS JSON 1.1 has them: status 400, the name in `__type`.

use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::super::error::ApiError;
use super::super::reply::{Body, ERROR_TYPE};
use crate::model::with_causes;
use crate::store::StoreError;

/// An answer of CloudWatch Logs that is an error.
#[derive(Debug)]
pub(super) struct LogsError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl LogsError {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    /// A rule of the model is broken; the text is the service's own.
    pub(super) fn validation(name: &str, value: &str, rule: &str) -> Self {
        Self::invalid(format!(
            "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: \
             {rule}"
        ))
    }

    pub(super) fn no_group() -> Self {
        Self::new("ResourceNotFoundException", "The specified log group does not exist.")
    }

    pub(super) fn no_stream() -> Self {
        Self::new("ResourceNotFoundException", "The specified log stream does not exist.")
    }

    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self::new("UnknownOperationException", message)
    }

    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    /// Of a body that is no object of JSON, or has a member of another type.
    pub(super) fn of_members(error: ApiError) -> Self {
        Self::serialization(error.into_message())
    }

    pub(super) fn store(error: &StoreError) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new("ServiceUnavailableException", format!("failed to {}", with_causes(error)))
        }
    }

    pub(super) fn response(&self) -> Response<Body> {
        let body = json!({ "__type": self.kind, "message": self.message });
        let mut response = super::operations::json(self.status, body.to_string().into());
        response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(self.kind));
        response
    }
}
