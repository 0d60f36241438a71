//! Functions to begin with, text and all, as the build found them in `templates/` (`build.rs`).
//!
//! # Invariants
//! - Their manifests parse; a unit test holds it, so reading them cannot fail at run time.

use serde::Deserialize;

/// A function to begin with.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Name of its folder.
    pub name: &'static str,
    manifest: &'static str,
    /// What is written, by name.
    pub files: &'static [TemplateFile],
}

/// One file of a template.
#[derive(Debug, Clone, Copy)]
pub struct TemplateFile {
    /// Its path in the template, `/` between directories.
    pub name: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
    /// Whether it is a program.
    pub is_executable: bool,
}

/// What a template's `template.toml` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateManifest {
    /// One line about it.
    pub summary: String,
    /// Whether it has to be built before it runs.
    pub build: bool,
    /// JSON: the answer to `event.json`; of an object, these members.
    pub answer: String,
}

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

impl Template {
    /// All there are, by name.
    pub fn all() -> &'static [Self] {
        TEMPLATES
    }

    /// What it says of itself.
    pub fn manifest(&self) -> TemplateManifest {
        toml::from_str(self.manifest).expect("embedded manifests parse, as a test holds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses_and_has_an_event_and_a_readme() {
        for template in Template::all() {
            assert!(!template.manifest().summary.is_empty(), "{}", template.name);
            for needed in ["event.json", "README.md"] {
                assert!(template.files.iter().any(|f| f.name == needed), "{}", template.name);
            }
        }
        assert!(Template::all().len() >= 15);
    }
}
