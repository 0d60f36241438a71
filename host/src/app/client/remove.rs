//! `lambdabox rm`: DeleteFunction, of each name.

use super::super::error::AppError;
use super::api::{Api, Verb, function_path};
use super::error::ClientError;
use crate::config::HostCall;
use crate::usage::Say;

pub(super) async fn remove(host: &HostCall, names: &[String], say: Say) -> Result<u8, AppError> {
    let api = Api::new(&host.endpoint);
    let mut code = 0;
    for name in names {
        let what = format!("remove {name}");
        match api.json(&what, Verb::Delete, &function_path(name, ""), None).await {
            Ok(_) => say.notice(&format!("{name}: removed")),
            // The others are removed all the same.
            Err(error @ ClientError::Refused { .. }) => {
                code = error.exit_code();
                say.error(&error, error.hint().as_deref());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(code)
}
