//! AWS's own client of a language: where it is among what the function sees.
//!
//! The client is a package like any other: of the function, a layer or `--venv`.

use std::fs;
use std::path::{Path, PathBuf};

use lambdabox_runtimes::discover::Interpreter;
use lambdabox_runtimes::{Language, OfficialClient};

use super::error::AppError;
use super::python::VENV_INSIDE;
use super::runtime::{Parts, commanded};

/// Trees that may hold it.
const HOLDERS: [&str; 3] = ["/var/task", "/opt", VENV_INSIDE];

impl Parts<'_> {
    /// The client's main file as seen inside; `None` if it is started by its name.
    ///
    /// # Errors
    /// The language has no such client, or nothing brings it.
    pub(super) fn official_client(
        &self,
        language: &Language,
        interpreter: &Interpreter,
        version: &str,
    ) -> Result<Option<String>, AppError> {
        let client = language.official.as_ref().ok_or_else(|| AppError::Usage {
            message: format!("--runtime-client official: {} has no such client", language.name),
            hint: None,
        })?;
        let holders =
            self.trees.iter().filter(|tree| HOLDERS.iter().any(|h| tree.target.starts_with(h)));
        for tree in holders {
            for place in &client.places {
                let place = PathBuf::from(place.replace("{version}", version));
                let below = place.join(&client.package);
                let there = match client.package.strip_suffix('*') {
                    Some(begins) => holds(&tree.source.join(&place), begins),
                    None => tree.source.join(&below).is_dir(),
                };
                if !there {
                    continue;
                }
                if client.programs.is_empty() {
                    return Ok(None);
                }
                let mut programs = client.programs.iter().map(|program| below.join(program));
                if let Some(program) = programs.find(|file| tree.source.join(file).is_file()) {
                    return Ok(Some(tree.target.join(program).to_string_lossy().into_owned()));
                }
            }
        }
        Err(self.missing(client, interpreter))
    }

    fn missing(&self, client: &OfficialClient, interpreter: &Interpreter) -> AppError {
        let name = client.package.rsplit('/').next().unwrap_or_default().trim_end_matches("-*");
        AppError::Usage {
            message: format!(
                "--runtime-client official: {name} is in neither the package nor a layer"
            ),
            hint: Some(commanded(&client.add, interpreter, self.task_root)),
        }
    }
}

/// A file of this directory whose name begins so, as jars have their version behind it.
fn holds(directory: &Path, begins: &str) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(begins))
}
