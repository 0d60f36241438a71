//! `lambdabox list`: ListFunctions, all pages, as a table or as JSON.

use serde_json::{Value, json};

use super::super::error::AppError;
use super::super::{Form, table};
use super::api::{Api, segment};
use super::output::print;
use crate::config::HostCall;

const HEAD: [&str; 6] = ["NAME", "RUNTIME", "HANDLER", "MEMORY", "TIMEOUT", "MODIFIED"];

pub(super) async fn list(host: &HostCall, form: Form) -> Result<u8, AppError> {
    let functions = all(&Api::new(&host.endpoint)).await?;
    let text = match form {
        Form::Json => format!("{:#}\n", json!({ "functions": functions })),
        Form::Text => table::text(HEAD, functions.iter().map(row)),
    };
    print(&text)?;
    Ok(0)
}

async fn all(api: &Api) -> Result<Vec<Value>, AppError> {
    let mut functions = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let after = marker.map(|marker| format!("?Marker={}", segment(&marker)));
        let path = format!("/2015-03-31/functions{}", after.unwrap_or_default());
        let mut page = api.get("list functions", &path).await?;
        if let Value::Array(some) = page["Functions"].take() {
            functions.extend(some);
        }
        marker = page["NextMarker"].as_str().map(str::to_owned);
        if marker.is_none() {
            return Ok(functions);
        }
    }
}

fn row(function: &Value) -> [String; 6] {
    let text = |name: &str| function[name].as_str().unwrap_or("-").to_owned();
    // To the second: what follows says nothing to a person.
    let modified: String = text("LastModified").chars().take("2026-01-01T00:00:00".len()).collect();
    [
        text("FunctionName"),
        text("Runtime"),
        text("Handler"),
        format!("{} MB", function["MemorySize"]),
        format!("{} s", function["Timeout"]),
        modified.replace('T', " "),
    ]
}
