//! The client context: JSON, or the base64 of it that AWS's own tools take.
//!
//! # Sources
//! Lambda API reference, Invoke, `X-Amz-Client-Context`: at most 3,583 bytes of base64.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value as Json;

use super::Setting;
use super::problem::Problem;
use super::raw::Raw;
use crate::model::MAX_CLIENT_CONTEXT_BYTES;

/// Takes base64 with and without padding, as AWS does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The decoded context, JSON text.
pub(crate) fn read(raw: &Raw) -> Result<Option<String>, Problem> {
    let Some((written, place)) = raw.text(Setting::ClientContext) else { return Ok(None) };
    let refuse =
        |message: String| Problem::ClientContextMalformed { place: place.clone(), message };
    let written = written.trim();
    let (text, base64_bytes) = if written.starts_with('{') {
        (written.to_owned(), BASE64.encode(written).len())
    } else {
        let bytes = BASE64.decode(written).map_err(|error| refuse(error.to_string()))?;
        (String::from_utf8(bytes).map_err(|error| refuse(error.to_string()))?, written.len())
    };
    match serde_json::from_str(&text) {
        Ok(Json::Object(_)) => {}
        Ok(_) => return Err(refuse("it is JSON, but not an object".into())),
        Err(error) => return Err(refuse(error.to_string())),
    }
    if base64_bytes > MAX_CLIENT_CONTEXT_BYTES {
        let (bytes, limit) = (base64_bytes, MAX_CLIENT_CONTEXT_BYTES);
        return Err(Problem::ClientContextTooLarge { place, bytes, limit });
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<String>, String> {
        let mut raw = Raw::default();
        raw.set_flag(Setting::ClientContext, Some(text.to_owned()));
        read(&raw).map_err(|problem| problem.to_string())
    }

    #[test]
    fn json_and_base64_give_the_same_text() {
        let json = "{\"custom\":{\"a\":1}}";
        assert_eq!(of(json).unwrap().unwrap(), json);
        assert_eq!(of(&BASE64.encode(json)).unwrap().unwrap(), json);
        assert_eq!(of(BASE64.encode(json).trim_end_matches('=')).unwrap().unwrap(), json);
    }

    #[test]
    fn the_limit_counts_base64() {
        // {"a":"…"} has eight bytes around; 2,685 bytes are 3,580 of base64, 2,688 are 3,584.
        let json = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8));
        assert!(of(&json(2_685)).is_ok());
        let said = "--client-context takes 3584 bytes as base64, over Lambda's limit of 3583";
        assert_eq!(of(&json(2_688)).unwrap_err(), said);
        assert_eq!(of(&BASE64.encode(json(2_688))).unwrap_err(), said);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["{", "nonsense!", "W10=", "AAAA", ""] {
            let said = of(text).unwrap_err();
            assert!(said.starts_with("--client-context is neither a JSON object"), "{said}");
        }
    }
}
