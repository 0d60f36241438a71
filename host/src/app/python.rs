//! What only Python has: virtual environments, an SDK of the host's to be offered, `PYTHONPATH`.

use std::path::Path;

use lambdabox_runtimes::discover::Interpreter;
use lambdabox_runtimes::packages;

use super::error::AppError;
use super::runtime::{Parts, shown_at};
use super::tree::{closed_to_others, tree};
use crate::catalog;
use crate::config;
use crate::sandbox::{Link, Tree};

/// The language's folder.
pub(super) const FOLDER: &str = "python";
/// The customer's own search path.
pub(super) const PYTHONPATH: &str = "PYTHONPATH";
/// Where an offered SDK appears.
const SDK_INSIDE: &str = "/var/lambdabox/sdk";
/// Where the package directories of `--venv` appear.
pub(super) const VENV_INSIDE: &str = "/var/lambdabox/venv";

impl Parts<'_> {
    /// Shows what is offered; the directories of it, in order.
    pub(super) fn python_packages(
        &mut self,
        interpreter: &Interpreter,
    ) -> Result<Vec<String>, AppError> {
        let mut search_path = Vec::new();
        self.venv(interpreter, &mut search_path)?;
        self.sdk(interpreter, &mut search_path);
        Ok(search_path)
    }

    fn venv(
        &mut self,
        interpreter: &Interpreter,
        search_path: &mut Vec<String>,
    ) -> Result<(), AppError> {
        let Some(venv) = self.config.venv else { return Ok(()) };
        for (i, source) in packages::venv_site_packages(venv, interpreter)?.into_iter().enumerate()
        {
            let target = format!("{VENV_INSIDE}/{i}");
            let access = catalog::survey(&source)?.access;
            self.trees.push(tree(&source, &target, access, &self.workspace.join("copies"))?);
            search_path.push(target);
        }
        Ok(())
    }

    fn sdk(&mut self, interpreter: &Interpreter, search_path: &mut Vec<String>) {
        if self.config.sdk == config::Sdk::Off {
            return;
        }
        let Some(sdk) = packages::sdk(interpreter) else { return };
        let shown = |path: &Path| {
            path.starts_with("/usr")
                || interpreter.prefixes.iter().any(|prefix| path.starts_with(prefix))
        };
        for (name, source) in &sdk.packages {
            let target = Path::new(SDK_INSIDE).join(name);
            if shown(source) {
                self.links.push(Link { path: target, target: shown_at(source, interpreter) });
            } else {
                let only_readable_by = closed_to_others(source, source);
                let tree = Tree { source: source.clone(), target, only_readable_by, copy_to: None };
                self.trees.push(tree);
            }
        }
        search_path.push(SDK_INSIDE.to_owned());
        let version = sdk.version.as_deref().unwrap_or("of unknown version");
        self.said.push(format!(
            "boto3 {version} of {} is offered (--sdk off to hide it)",
            interpreter.executable.display()
        ));
    }
}

/// Where the official client finds what is not in the package: layers as on AWS, then the user's own
/// directories, then what is offered.
pub(super) fn official_path(version: &str, own: Option<String>, offered: Vec<String>) -> String {
    let layers =
        [format!("/opt/python/lib/python{version}/site-packages"), "/opt/python".to_owned()];
    layers.into_iter().chain(own).chain(offered).collect::<Vec<_>>().join(":")
}
