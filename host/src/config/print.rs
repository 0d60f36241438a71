//! `--print-config`: what is in effect, as a `lambdabox.toml` that says where each line came from.

use std::fmt::Write;

use super::Setting;
use super::environment::Variables;
use super::place::Origin;
use super::raw::{Raw, Value};
use super::resolved::Invoke;
use super::setting::{Kind, ROWS};

/// Variables whose values are not for a screen.
const SECRET: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// The text. Paths are the absolute ones in use, so that it means the same wherever it is saved.
pub(crate) fn config(raw: &Raw, variables: &Variables, invoke: &Invoke) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    for row in &ROWS {
        let key = row.key;
        let origin = raw.origin(row.setting);
        // A comment, since the file may not say it.
        let key = if row.setting.is_the_machines() { format!("# {key}") } else { key.to_owned() };
        match (value(raw, row.setting, invoke), row.default) {
            (Some(value), _) => line(format!("{key} = {value}  # {origin}")),
            (None, Ok(value)) => line(format!("{key} = {value}  # default")),
            (None, Err(words)) => line(format!("# {key} is not set: {words}")),
        }
    }
    for forward in invoke.forwards.iter().filter_map(|forward| forward.said.as_deref()) {
        line(format!("# {forward}"));
    }
    line("\n[env]".to_owned());
    for (name, variable) in variables {
        let origin = &variable.origin;
        if SECRET.contains(&name.as_str()) {
            line(format!("# {name} is set and not shown  # {origin}"));
        } else {
            // A checked name needs no quotes.
            line(format!("{name} = {}  # {origin}", quoted(&variable.value)));
        }
    }
    out
}

/// A setting's value as TOML, if it was written.
fn value(raw: &Raw, setting: Setting, invoke: &Invoke) -> Option<String> {
    let written = raw.get(setting)?;
    let list = |texts: Vec<String>| {
        let quoted: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
        format!("[{}]", quoted.join(", "))
    };
    let absolute = |text: &str| match &written.origin {
        Origin::File { path, .. } => {
            let base = path.parent().unwrap_or(path);
            base.join(text).to_string_lossy().into_owned()
        }
        _ => text.to_owned(),
    };
    Some(match (setting, setting.row().kind, &written.value) {
        (Setting::Layers, _, _) => {
            list(invoke.layers.iter().map(|p| p.to_string_lossy().into_owned()).collect())
        }
        (Setting::Venv, _, _) => quoted(&invoke.venv.as_ref()?.to_string_lossy()),
        (Setting::DataDir, _, _) => quoted(&invoke.data_dir.to_string_lossy()),
        (_, Kind::Number | Kind::Switch, Value::Text(text)) => text.trim().to_ascii_lowercase(),
        (_, Kind::Paths, Value::Text(text)) => list(vec![absolute(text)]),
        (_, Kind::Paths, Value::List(texts)) => list(texts.iter().map(|t| absolute(t)).collect()),
        (_, Kind::Path, Value::Text(text)) => quoted(&absolute(text)),
        (_, Kind::List, Value::Text(text)) => list(vec![text.clone()]),
        (_, _, Value::Text(text)) => quoted(text),
        (_, _, Value::List(texts)) => list(texts.clone()),
    })
}

fn quoted(text: &str) -> String {
    // TOML's basic string; JSON's escapes are a part of its own, except for DEL.
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes every text");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
