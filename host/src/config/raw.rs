//! Settings as written: text and where it stood, nothing judged yet.
//!
//! One layer per place (flags, variables, file); [`merge`] folds them into one, the stronger first.
//! A map over [`Setting`] instead of a struct of options, so that merging, provenance and unknown
//! keys are each written once for all settings.

use std::collections::BTreeMap;

use super::place::{Origin, Place};
use super::setting::{Kind, Setting};

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One value.
    Text(String),
    /// Several.
    List(Vec<String>),
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What was written.
    pub value: Value,
    /// Where.
    pub origin: Origin,
}

/// A variable for the function, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenVariable {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// One layer of settings, or several merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw {
    values: BTreeMap<Setting, Written>,
    /// The `[env]` table, in the order of the file.
    pub(crate) env: Vec<WrittenVariable>,
}

impl Raw {
    /// Notes a value; the last of two for one setting counts.
    pub fn set(&mut self, setting: Setting, value: Value, origin: Origin) {
        self.values.insert(setting, Written { value, origin });
    }

    /// Notes a text if there is one.
    pub fn set_flag(&mut self, setting: Setting, text: Option<String>) {
        if let Some(text) = text {
            self.set(setting, Value::Text(text), Origin::Flag(setting.flag()));
        }
    }

    /// Notes the values of a repeatable flag if there are any.
    pub fn set_flags(&mut self, setting: Setting, list: Vec<String>) {
        if !list.is_empty() {
            self.set(setting, Value::List(list), Origin::Flag(setting.flag()));
        }
    }

    /// What was written, if anything was.
    pub(crate) fn get(&self, setting: Setting) -> Option<&Written> {
        self.values.get(&setting)
    }

    /// The one text of a setting that is not a list, and its place.
    pub(crate) fn text(&self, setting: Setting) -> Option<(&str, Place)> {
        let written = self.get(setting)?;
        let place = Place { setting, origin: written.origin.clone() };
        match &written.value {
            Value::Text(text) => Some((text, place)),
            Value::List(list) => list.last().map(|text| (text.as_str(), place)),
        }
    }

    /// The texts of a list, and their place. A single text is a list of one.
    pub(crate) fn list(&self, setting: Setting) -> Option<(Vec<&str>, Place)> {
        let written = self.get(setting)?;
        let place = Place { setting, origin: written.origin.clone() };
        match &written.value {
            Value::Text(text) => Some((vec![text], place)),
            Value::List(list) => Some((list.iter().map(String::as_str).collect(), place)),
        }
    }

    /// Where a setting was written, or [`Origin::Default`].
    pub(crate) fn origin(&self, setting: Setting) -> Origin {
        self.get(setting).map_or(Origin::Default, |written| written.origin.clone())
    }
}

/// One layer out of several: of each setting the first that has it.
///
/// Lists are not joined, so that a flag can take away what the file says. `[env]` is only in files.
pub(crate) fn merge(layers: impl IntoIterator<Item = Raw>) -> Raw {
    let mut merged = Raw::default();
    for layer in layers {
        for (setting, written) in layer.values {
            merged.values.entry(setting).or_insert(written);
        }
        merged.env.extend(layer.env);
    }
    merged
}

/// The value of a variable for this setting.
pub(crate) fn of_variable(setting: Setting, text: &str) -> Value {
    let split = |at| text.split(at).filter(|s| !s.is_empty()).map(str::to_owned).collect();
    match setting.row().kind {
        Kind::Paths => Value::List(split(':')),
        Kind::List => Value::List(split(',')),
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(setting: Setting, text: &str, origin: Origin) -> Raw {
        let mut raw = Raw::default();
        raw.set(setting, Value::Text(text.into()), origin);
        raw
    }

    #[test]
    fn the_first_layer_that_says_something_wins_and_is_remembered() {
        let file = Origin::File { path: "/x/lambdabox.toml".into(), line: 3 };
        let variable = Origin::Variable("LAMBDABOX_TIMEOUT".into());
        let merged = merge([
            layer(Setting::Handler, "a.b", Origin::Flag("--handler")),
            layer(Setting::Timeout, "5", variable.clone()),
            merge([
                layer(Setting::Timeout, "7", file.clone()),
                layer(Setting::Handler, "c.d", file.clone()),
                layer(Setting::Region, "eu-west-1", file.clone()),
            ]),
        ]);
        assert_eq!(merged.text(Setting::Handler).unwrap().0, "a.b");
        assert_eq!(merged.text(Setting::Timeout).unwrap().0, "5");
        assert_eq!(merged.origin(Setting::Timeout), variable);
        assert_eq!(merged.origin(Setting::Region), file);
        assert_eq!(merged.origin(Setting::Cpu), Origin::Default);
    }

    #[test]
    fn a_variable_holds_a_list_as_path_does() {
        let two = Value::List(vec!["/a".into(), "b.zip".into()]);
        assert_eq!(of_variable(Setting::Layers, "/a:b.zip"), two);
        let ports = Value::List(vec!["8000".into(), "1:2".into()]);
        assert_eq!(of_variable(Setting::Forwards, "8000,1:2"), ports);
    }
}
