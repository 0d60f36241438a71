//! What a caller is told when a request fails: status, type and text, as AWS has them.
//!
//! # Sources
//! `reference/lambda-service.md` sections 1 ("Errors"), 5, 12 and 18.

use serde_json::{Map, Value};

use crate::model::with_causes;
use crate::usage::Say;

/// Which member holds the text; a part of each exception's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Lower,
    Capital,
}

/// Whose fault it is said to be (`Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    User,
    Service,
    /// No such member.
    Unsaid,
}

/// An answer that is an error.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// Name of the exception.
    pub(crate) kind: &'static str,
    message: String,
    spelling: Spelling,
    fault: Fault,
    reason: Option<&'static str>,
}

const TRY_LATER: &str = "Rate Exceeded.";

impl ApiError {
    fn lower(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        let (message, fault) = (message.into(), Fault::User);
        Self { status, kind, message, spelling: Spelling::Lower, fault, reason: None }
    }

    fn capital(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { spelling: Spelling::Capital, ..Self::lower(status, kind, message) }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::lower(400, "InvalidParameterValueException", message)
    }

    /// The few of concurrency that say nothing of whose fault it is.
    pub(crate) fn invalid_unsaid(message: impl Into<String>) -> Self {
        Self { fault: Fault::Unsaid, ..Self::invalid(message) }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::capital(404, "ResourceNotFoundException", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::lower(409, "ResourceConflictException", message)
    }

    pub(crate) fn stale() -> Self {
        Self::lower(
            412,
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the \
             GetFunction/GetAlias API to retrieve the latest Revision Id",
        )
    }

    /// Of the model's rules; `Type` is not a member of it.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self { fault: Fault::Unsaid, ..Self::lower(400, "ValidationException", message) }
    }

    /// A member of another JSON type than the model's.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self { fault: Fault::Unsaid, ..Self::capital(400, "SerializationException", message) }
    }

    /// A body that is no JSON.
    pub(crate) fn request_content(message: impl Into<String>) -> Self {
        Self::lower(400, "InvalidRequestContentException", message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::capital(413, "RequestEntityTooLargeException", message)
    }

    pub(crate) fn throttled(reason: &'static str) -> Self {
        let error = Self::lower(429, "TooManyRequestsException", TRY_LATER);
        Self { reason: Some(reason), ..error }
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self { fault: Fault::Unsaid, ..Self::capital(403, "AccessDeniedException", message) }
    }

    pub(crate) fn unknown_operation(message: impl Into<String>) -> Self {
        Self::capital(404, "UnknownOperationException", message)
    }

    /// Not the caller's fault; worth another try.
    pub(crate) fn service(message: impl Into<String>) -> Self {
        Self { fault: Fault::Service, ..Self::capital(500, "ServiceException", message) }
    }

    /// Something of this machine's has failed, which is the operator's, too: they are told.
    pub(crate) fn failed(error: &dyn std::error::Error) -> Self {
        let message = format!("failed to {}", with_causes(error));
        Say::silent().warning(&format!("a caller was answered 500: {message}"));
        Self::service(message)
    }

    /// The host ends; clients try again by themselves.
    pub(crate) fn shutting_down() -> Self {
        Self { status: 503, ..Self::service("the host is shutting down") }
    }

    /// The sender took too long.
    pub(crate) fn slow() -> Self {
        Self { fault: Fault::Unsaid, ..Self::lower(408, "RequestTimeoutException", SLOW) }
    }

    /// The text alone, for an API with errors of another form.
    pub(crate) fn into_message(self) -> String {
        self.message
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut members = Map::new();
        let text = |text: &str| Value::String(text.to_owned());
        if let Some(reason) = self.reason {
            members.insert("Reason".to_owned(), text(reason));
        }
        match self.fault {
            Fault::User => _ = members.insert("Type".to_owned(), text("User")),
            Fault::Service => _ = members.insert("Type".to_owned(), text("Service")),
            Fault::Unsaid => {}
        }
        let name = match self.spelling {
            Spelling::Lower => "message",
            Spelling::Capital => "Message",
        };
        members.insert(name.to_owned(), text(&self.message));
        Value::Object(members).to_string().into_bytes()
    }
}

const SLOW: &str = "The request was not completely received in time.";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(error: &ApiError) -> String {
        String::from_utf8(error.body()).unwrap()
    }

    #[test]
    fn bodies_are_spelled_as_each_exceptions_model_has_it() {
        assert_eq!(text(&ApiError::invalid("a")), r#"{"Type":"User","message":"a"}"#);
        assert_eq!(text(&ApiError::invalid_unsaid("a")), r#"{"message":"a"}"#);
        assert_eq!(text(&ApiError::not_found("a")), r#"{"Type":"User","Message":"a"}"#);
        assert_eq!(text(&ApiError::service("a")), r#"{"Type":"Service","Message":"a"}"#);
        assert_eq!(text(&ApiError::validation("a")), r#"{"message":"a"}"#);
        assert_eq!(
            text(&ApiError::throttled("ConcurrentInvocationLimitExceeded")),
            r#"{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#
        );
    }
}
