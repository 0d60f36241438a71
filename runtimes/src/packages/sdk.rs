//! AWS's SDK for Python, if it is installed for an interpreter.
//!
//! AWS's own image ships it, so functions take it for granted. Exactly these packages are offered,
//! alone in a directory of their own and last on the path; their neighbours stay out of sight.

use std::fs;
use std::path::PathBuf;

use crate::discover::Interpreter;

/// `import boto3` fails without any of these.
const PACKAGES: &[&str] =
    &["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"];

/// An installed SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdk {
    /// Name in the directory that is offered (`boto3`, `six.py`), and where it is now.
    pub packages: Vec<(String, PathBuf)>,
    /// Version of boto3, if it says.
    pub version: Option<String>,
}

/// The SDK installed for an interpreter; `None` if `import boto3` would fail with it.
pub fn sdk(interpreter: &Interpreter) -> Option<Sdk> {
    let packages: Option<Vec<_>> =
        PACKAGES.iter().map(|package| find(package, &interpreter.site_packages)).collect();
    let packages = packages?;
    let version = packages.first().and_then(|(_, boto3)| version_of(boto3));
    Some(Sdk { packages, version })
}

/// The first directory or file of this name, as Python's own search would find it.
fn find(package: &str, directories: &[PathBuf]) -> Option<(String, PathBuf)> {
    let module = format!("{package}.py");
    for directory in directories {
        let as_package = directory.join(package);
        if as_package.join("__init__.py").is_file() {
            return Some((package.to_owned(), as_package));
        }
        let as_module = directory.join(&module);
        if as_module.is_file() {
            return Some((module, as_module));
        }
    }
    None
}

/// `__version__ = '1.34.0'` in `boto3/__init__.py`.
fn version_of(boto3: &std::path::Path) -> Option<String> {
    let text = fs::read_to_string(boto3.join("__init__.py")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__"))?;
    let value = line.trim_start().strip_prefix('=')?.trim();
    Some(value.trim_matches(['\'', '"']).to_owned())
}
