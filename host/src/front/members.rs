//! Members of a JSON body, by name and type. `null` is as good as absent.

use serde_json::{Map, Number, Value};

use super::error::ApiError;

/// An object of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(pub(crate) Map<String, Value>);

impl Members {
    /// Of a body; an empty one has no members.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => {
                Err(ApiError::serialization("Start of structure or map found where not expected."))
            }
            Err(error) => Err(ApiError::request_content(format!(
                "Could not parse request body into json: {error}"
            ))),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.get(name).map(|value| text_of(value)).transpose()
    }

    /// A text that is taken out, for one that is too large to be copied.
    pub(crate) fn take_text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.0.get_mut(name).map(Value::take) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(&other, "String")),
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_i64().map(Some).ok_or_else(|| wrong(value, "Integer"))
    }

    /// A number with a fraction, perhaps.
    pub(crate) fn number(&self, name: &str) -> Result<Option<&Number>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_number().map(Some).ok_or_else(|| wrong(value, "Double"))
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| wrong(value, "Boolean"))
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Some(items) = value.as_array() else { return Err(wrong(value, "List")) };
        let texts = items.iter().map(|item| text_of(item).map(str::to_owned));
        texts.collect::<Result<_, _>>().map(Some)
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value {
            Value::Object(members) => Ok(Some(Self(members.clone()))),
            other => Err(wrong(other, "Structure")),
        }
    }

    /// The same, taken out.
    pub(crate) fn take_object(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.0.get_mut(name).map(Value::take) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self(members))),
            Some(other) => Err(wrong(&other, "Structure")),
        }
    }

    /// A map of texts, in the order of the request.
    pub(crate) fn map(&self, name: &str) -> Result<Option<Vec<(String, String)>>, ApiError> {
        let Some(members) = self.object(name)? else { return Ok(None) };
        let pairs = members.0.iter().filter(|(_, value)| !value.is_null());
        let pairs = pairs.map(|(key, value)| Ok((key.clone(), text_of(value)?.to_owned())));
        pairs.collect::<Result<_, ApiError>>().map(Some)
    }
}

fn text_of(value: &Value) -> Result<&str, ApiError> {
    value.as_str().ok_or_else(|| wrong(value, "String"))
}

fn wrong(value: &Value, expected: &str) -> ApiError {
    let found = match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "Unexpected list: it",
        Value::Object(_) => "Unexpected structure: it",
    };
    ApiError::serialization(format!("{found} can not be converted to {expected}"))
}
