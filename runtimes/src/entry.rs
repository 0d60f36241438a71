//! Command lines of a language: templates from its manifest, filled in.
//!
//! # Invariants
//! - A command line is whole or not there: a word whose input is missing leaves none.
//!
//! # Not here
//! Which form is wanted, and what the customer's variables say (`host/src/app`).

use serde::Deserialize;

/// Which of a language's command lines is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryForm {
    /// lambdabox's loop, started as fast as the interpreter can.
    Lean,
    /// lambdabox's loop in an interpreter that heeds the customer's own settings for it.
    Plain,
    /// lambdabox's loop behind the customer's `AWS_LAMBDA_EXEC_WRAPPER`, which may insert options
    /// before the last argument, as AWS's documentation shows.
    Wrapped,
    /// AWS's own runtime interface client.
    Official,
    /// What makes a version's own archive of classes: it answers its one event with it.
    Archive,
}

/// What a command line is filled in with; all are paths and words as seen inside the sandbox.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryInputs<'a> {
    /// Replaces `{interpreter}`.
    pub interpreter: Option<&'a str>,
    /// Replaces `{options}`, by as many words as there are; none is well too.
    pub options: &'a [String],
    /// Replaces `{program}`, by as many words as there are: what the interpreter is given to run.
    pub program: &'a [String],
    /// Replaces `{handler}`.
    pub handler: Option<&'a str>,
    /// Replaces `{bootstrap}`.
    pub bootstrap: Option<&'a str>,
    /// Replaces `{loop}`: the language's loop, compiled if there is such a form.
    pub language_loop: Option<&'a str>,
    /// Replaces `{client}`: the main file of AWS's own client.
    pub client: Option<&'a str>,
    /// Replaces `{prefix}`: where the interpreter is installed.
    pub prefix: Option<&'a str>,
    /// Replaces `{version}`: the interpreter's.
    pub version: Option<&'a str>,
    /// Replaces `{source}` and `{target}` of a compilation, which runs on the host.
    pub compilation: Option<(&'a str, &'a str)>,
}

/// Command lines of a language, as templates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    lean: Vec<String>,
    plain: Vec<String>,
    #[serde(default)]
    wrapped: Option<Vec<String>>,
    #[serde(default)]
    official: Option<Vec<String>>,
    /// Makes the compiled loop, once per interpreter and on the host.
    #[serde(default)]
    compile: Option<Vec<String>>,
    /// Whether what one interpreter of the language compiles runs on every other.
    #[serde(default)]
    pub compiles_for_all: bool,
    /// Run after that, by the interpreter that will run the loop; what it leaves is of use, not needed.
    #[serde(default)]
    finish: Option<Vec<String>>,
    /// Run in an environment of a deployed version, to make what its others start faster with.
    #[serde(default)]
    archive: Option<Vec<String>>,
    /// File name in `/var/runtime` of what that makes; one for all versions is there before.
    #[serde(default)]
    pub archived: Option<String>,
    /// File name of the compiled loop in `/var/runtime`.
    #[serde(default)]
    pub compiled: Option<String>,
    /// The loop's text cannot be run, and this says what compiling it takes.
    #[serde(default)]
    pub compiled_only: Option<String>,
}

impl Entry {
    /// The command line of this form; `None` if the language has no such form or an input that its
    /// template names is missing.
    pub fn argv(&self, form: EntryForm, inputs: EntryInputs<'_>) -> Option<Vec<String>> {
        let template = match form {
            EntryForm::Lean => &self.lean,
            EntryForm::Plain => &self.plain,
            EntryForm::Wrapped => self.wrapped.as_ref().unwrap_or(&self.plain),
            EntryForm::Official => self.official.as_ref()?,
            EntryForm::Archive => self.archive.as_ref()?,
        };
        fill(template, inputs)
    }

    /// The command line that compiles the loop; `None` if the language compiles nothing.
    pub fn compile(&self, inputs: EntryInputs<'_>) -> Option<Vec<String>> {
        fill(self.compile.as_ref()?, inputs)
    }

    /// The command line that is run after that; `None` if there is none.
    pub fn finish(&self, inputs: EntryInputs<'_>) -> Option<Vec<String>> {
        fill(self.finish.as_ref()?, inputs)
    }
}

fn fill(template: &[String], inputs: EntryInputs<'_>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for word in template {
        let filled = match word.as_str() {
            "{options}" => {
                words.extend(inputs.options.iter().cloned());
                continue;
            }
            "{program}" => {
                words.extend(inputs.program.iter().cloned());
                continue;
            }
            "{interpreter}" => inputs.interpreter,
            "{prefix}" => inputs.prefix,
            "{version}" => inputs.version,
            "{handler}" => inputs.handler,
            "{bootstrap}" => inputs.bootstrap,
            "{loop}" => inputs.language_loop,
            "{client}" => inputs.client,
            "{source}" => inputs.compilation.map(|(source, _)| source),
            "{target}" => inputs.compilation.map(|(_, target)| target),
            fixed => Some(fixed),
        };
        words.push(filled?.to_owned());
    }
    Some(words)
}

/// AWS's own client of a language, as packages bring it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficialClient {
    /// Directory that means the client is there; with `*` at its end, a file that begins so.
    pub package: String,
    /// Where that directory may be in a package or a layer; `{version}` is the identifier's.
    pub places: Vec<String>,
    /// Its main file, in order of preference; empty if it is started by name.
    #[serde(default)]
    pub programs: Vec<String>,
    /// The command that adds it; `{found}` is the interpreter, `{path}` the function's directory.
    pub add: String,
}

/// The command that adds a missing module, which the loop prints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingModule {
    /// Variable by which the loop is told.
    pub variable: String,
    /// As [`OfficialClient::add`]; `{module}` is for the loop to fill in.
    pub command: String,
}

/// A word of the interpreter's command line that depends on function and version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InterpreterOption {
    /// The word; `{memory*N/100}` is that part of the function's memory in MB.
    word: String,
    /// Only for these identifiers; for all if empty.
    #[serde(default)]
    identifiers: Vec<String>,
    /// Oldest version of the interpreter that knows it.
    #[serde(default)]
    from: Option<String>,
    /// Only if the loop's directory has this file.
    #[serde(default)]
    file: Option<String>,
    /// The customer's variable that can decide otherwise …
    #[serde(default)]
    variable: Option<String>,
    /// … by holding one of these texts.
    #[serde(default)]
    unless: Vec<String>,
}

impl InterpreterOption {
    /// The word, if it applies. `set` gives the customer's variables.
    pub(crate) fn word<'a>(
        &self,
        identifier: &str,
        version: &str,
        memory_mb: u32,
        has_file: &impl Fn(&str) -> bool,
        set: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<String> {
        if self.file.as_deref().is_some_and(|file| !has_file(file)) {
            return None;
        }
        let named = self.identifiers.is_empty() || self.identifiers.iter().any(|i| i == identifier);
        let known = self.from.as_ref().is_none_or(|from| numbers(version) >= numbers(from));
        let value = self.variable.as_deref().and_then(set).unwrap_or_default();
        if !named || !known || self.unless.iter().any(|text| value.contains(text)) {
            return None;
        }
        let Some((before, rest)) = self.word.split_once("{memory*") else {
            return Some(self.word.clone());
        };
        let (percent, after) = rest.split_once("/100}")?;
        let part = u64::from(memory_mb) * percent.parse::<u64>().ok()? / 100;
        Some(format!("{before}{part}{after}"))
    }
}

/// Numbers between dots, up to the first that is none.
pub(crate) fn numbers(text: &str) -> Vec<u32> {
    text.split('.').map_while(|part| part.parse().ok()).collect()
}
