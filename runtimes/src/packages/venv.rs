//! Virtual environments: PEP 405's `pyvenv.cfg`, and whether one fits an interpreter.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::site::venv_site_directories;
use crate::discover::Interpreter;

/// What `pyvenv.cfg` says, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenvConfig {
    /// Directory of the interpreter it was made from.
    pub home: PathBuf,
    /// `X.Y`, by `version` (venv) or `version_info` (virtualenv, uv).
    pub minor_version: Option<String>,
    /// Whether it also shows the packages of the interpreter it was made from.
    pub system_site_packages: bool,
}

/// A directory given as a virtual environment is of no use.
#[derive(Debug, thiserror::Error)]
pub enum VenvError {
    /// No `pyvenv.cfg`.
    #[error(
        "use the virtual environment {path}: it has no pyvenv.cfg; give the directory that \
         `python -m venv` made"
    )]
    NotVenv {
        /// As given.
        path: PathBuf,
        /// What reading it said.
        source: io::Error,
    },
    /// `pyvenv.cfg` without `home`.
    #[error("use the virtual environment {path}: its pyvenv.cfg names no {key}; make it anew")]
    Incomplete {
        /// As given.
        path: PathBuf,
        /// The key it lacks.
        key: &'static str,
    },
    /// Made for another Python.
    #[error(
        "use the virtual environment {path}: it was made for Python {has}, the function runs on \
         {identifier}; pass --runtime python{has}, or make it anew with {executable} -m venv"
    )]
    OtherVersion {
        /// As given.
        path: PathBuf,
        /// Its `X.Y`.
        has: String,
        /// The function's runtime.
        identifier: String,
        /// The function's interpreter.
        executable: PathBuf,
    },
    /// No packages directory.
    #[error(
        "use the virtual environment {path}: there is no lib/python{version}/site-packages in it"
    )]
    NoPackages {
        /// As given.
        path: PathBuf,
        /// The version looked for.
        version: String,
    },
}

impl VenvConfig {
    /// Reads `pyvenv.cfg`.
    ///
    /// # Errors
    /// [`VenvError::NotVenv`] and [`VenvError::Incomplete`].
    pub fn read(venv: &Path) -> Result<Self, VenvError> {
        let text = fs::read_to_string(venv.join("pyvenv.cfg"))
            .map_err(|source| VenvError::NotVenv { path: venv.to_owned(), source })?;
        let value = |wanted: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim().eq_ignore_ascii_case(wanted)).then(|| value.trim().to_owned())
            })
        };
        let home = value("home")
            .ok_or_else(|| VenvError::Incomplete { path: venv.to_owned(), key: "home" })?;
        let version = value("version").or_else(|| value("version_info"));
        Ok(Self {
            home: home.into(),
            minor_version: version.and_then(|version| minor(&version)),
            system_site_packages: value("include-system-site-packages")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        })
    }
}

/// The runtime identifier a virtual environment was made for, so that `--venv` alone can decide it.
///
/// # Errors
/// [`VenvError`], if the directory is none or does not say.
pub fn venv_identifier(venv: &Path) -> Result<String, VenvError> {
    let config = VenvConfig::read(venv)?;
    let version = config
        .minor_version
        .ok_or_else(|| VenvError::Incomplete { path: venv.to_owned(), key: "version" })?;
    Ok(format!("python{version}"))
}

/// The package directories of a virtual environment for this interpreter; followed by the
/// interpreter's own if the environment was made with `--system-site-packages`.
///
/// # Errors
/// [`VenvError`], naming the versions when they differ.
pub fn venv_site_packages(
    venv: &Path,
    interpreter: &Interpreter,
) -> Result<Vec<PathBuf>, VenvError> {
    let config = VenvConfig::read(venv)?;
    let version = interpreter.release.as_str();
    if let Some(has) = config.minor_version.filter(|has| has != version) {
        return Err(VenvError::OtherVersion {
            path: venv.to_owned(),
            has,
            identifier: interpreter.identifier.clone(),
            executable: interpreter.executable.clone(),
        });
    }
    let mut directories = venv_site_directories(venv, version);
    if directories.is_empty() {
        let (path, version) = (venv.to_owned(), version.to_owned());
        return Err(VenvError::NoPackages { path, version });
    }
    if config.system_site_packages {
        let own = interpreter.site_packages.iter().filter(|dir| !dir.starts_with(venv));
        directories.extend(own.cloned());
    }
    Ok(directories)
}

/// `3.11` of `3.11.7` and `3.11.7.final.0`.
fn minor(version: &str) -> Option<String> {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    Some(format!("{major}.{minor}"))
}
