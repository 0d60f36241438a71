//! Programs on AWS's libraries for Rust, built once for each state of their sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::built::{Built, fixture, once_at, run};
use super::python::e2e_cache;

/// Every program of the package.
const PROGRAMS: [&str; 5] = ["suite", "extension", "streaming", "web", "graceful"];
/// AWS's Lambda Web Adapter.
const WEB_ADAPTER: &str = "lambda_web_adapter@1.0.0-rc1";

/// A program of the Rust fixtures: the file `bootstrap` in a directory of its own.
///
/// # Errors
/// Why they cannot be built. That is tried once.
pub(crate) fn rust_program(name: &str) -> Result<PathBuf, String> {
    static TRIED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let home = TRIED.get_or_init(|| once_at("rust-programs", &fixture("rust"), build)).clone()?;
    Ok(home.join(name).join("bootstrap"))
}

/// The Rust fixtures of the suite of languages. There is no layer.
///
/// # Errors
/// Why they cannot be built. That is tried once.
pub(crate) fn rust_fixture() -> Result<Built, String> {
    let task = rust_program("suite")?.with_file_name("");
    Ok(Built { layer: task.join("none"), task })
}

fn build(into: &Path) -> Result<(), String> {
    let programs = cargo(&fixture("rust"))?;
    for name in PROGRAMS {
        let home = into.join(name);
        fs::create_dir_all(&home)
            .and_then(|()| fs::copy(programs.join(name), home.join("bootstrap")))
            .map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

/// The program of the fixtures that calls a host by AWS's SDK for Rust.
///
/// # Errors
/// Why it cannot be built. That is tried once.
pub(crate) fn rust_client() -> Result<PathBuf, String> {
    static TRIED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let source = fixture("service/rust");
    let build = |into: &Path| {
        let program = cargo(&source)?.join("client");
        fs::copy(program, into.join("client")).map_err(|e| e.to_string()).map(drop)
    };
    let home = TRIED.get_or_init(|| once_at("rust-sdk-client", &source, build)).clone()?;
    Ok(home.join("client"))
}

/// Builds a package of the fixtures as its lock file has it; where its programs are.
fn cargo(package: &Path) -> Result<PathBuf, String> {
    let target = target();
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--locked", "--target-dir"]).arg(&target);
    run(command.current_dir(package))?;
    Ok(target.join("debug"))
}

/// AWS's Lambda Web Adapter, unmodified, as its package installs it.
///
/// # Errors
/// Why it cannot be had. That is tried once.
pub(crate) fn web_adapter() -> Result<PathBuf, String> {
    static TRIED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    TRIED.get_or_init(install_web_adapter).clone()
}

fn install_web_adapter() -> Result<PathBuf, String> {
    let root = e2e_cache().join(WEB_ADAPTER);
    let program = root.join("bin/lambda-adapter");
    if !program.is_file() {
        let mut command = Command::new("cargo");
        // Without optimisation and debug information: it is to be built, not to be fast.
        command.args(["install", "--quiet", "--locked", "--debug", "--no-track", WEB_ADAPTER]);
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        run(command.arg("--root").arg(&root).arg("--target-dir").arg(target()))?;
    }
    Ok(program)
}

/// One for all of them: what two of them stand on is compiled once.
fn target() -> PathBuf {
    e2e_cache().join("rust-target")
}
