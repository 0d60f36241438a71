//! .NET from the package registry of Python, and fixtures built with Debian's compiler.
//!
//! The runtime there is .NET Core 3.1: a guest that proves the loop, and no runtime of AWS any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::built::{Built, once, run};
use super::python::vendored;

/// Where a test's package and layer have what `functions.deps.json` names.
const STORE: &str = "dotnetcore/store/x64/netcoreapp3.1/from_layer/1.0.0/lib/netcoreapp3.1";

/// The directory with a `dotnet` for this runtime.
///
/// # Errors
/// Why there is none.
pub(crate) fn dotnet_tree(runtime: &str) -> Result<PathBuf, String> {
    if runtime != "dotnet" {
        return Err(format!("no .NET for {runtime} can be had from the registries of these tests"));
    }
    let tree = vendored("dotnetcore2", "packages", &["dotnetcore2==3.1.23"])?;
    Ok(tree.join("packages/dotnetcore2/bin"))
}

/// The .NET fixtures as assemblies, a stand-in for AWS's interfaces among them.
///
/// # Errors
/// Why they cannot be built. That is tried once.
pub(crate) fn dotnet_fixture(source: &Path, tree: &Path) -> Result<Built, String> {
    static TRIED: OnceLock<Result<Built, String>> = OnceLock::new();
    TRIED.get_or_init(|| once("dotnet-suite", source, |into| build(source, tree, into))).clone()
}

fn build(source: &Path, tree: &Path, into: &Path) -> Result<(), String> {
    let (task, store, missing) =
        (into.join("task"), into.join("layer").join(STORE), into.join("missing"));
    for directory in [&task, &store, &missing] {
        fs::create_dir_all(directory).map_err(|e| e.to_string())?;
    }
    let core = task.join("Amazon.Lambda.Core.dll");
    let (from_layer, no_such) = (store.join("from_layer.dll"), missing.join("no_such_package.dll"));
    csharp(tree, &source.join("core/Core.cs"), &core, &[])?;
    csharp(tree, &source.join("layer/from_layer.cs"), &from_layer, &[])?;
    csharp(tree, &source.join("missing/no_such_package.cs"), &no_such, &[])?;
    for (name, references) in [
        ("functions", vec![core.as_path(), &from_layer]),
        ("init_fails", Vec::new()),
        ("missing_module", vec![no_such.as_path()]),
    ] {
        let target = task.join(format!("{name}.dll"));
        csharp(tree, &source.join("task").join(format!("{name}.cs")), &target, &references)?;
    }
    for kept in
        ["wrapper", "syntax_error.dll", "functions.deps.json", "functions.runtimeconfig.json"]
    {
        fs::copy(source.join("task").join(kept), task.join(kept)).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Compiles one file to a library, or to a program if its name says so.
pub(crate) fn csharp(
    tree: &Path,
    source: &Path,
    target: &Path,
    references: &[&Path],
) -> Result<(), String> {
    let mut command = Command::new("mcs");
    command.args(["-nostdlib", "-noconfig", "-langversion:7.2", "-nowarn:1702"]);
    let is_program = source.file_name().is_some_and(|name| name == "Program.cs");
    command.arg(if is_program { "-target:exe" } else { "-target:library" });
    command.arg(format!("-out:{}", target.display())).arg(source);
    let mut versions = fs::read_dir(tree.join("shared/Microsoft.NETCore.App"))
        .map_err(|e| e.to_string())?
        .flatten();
    let framework = versions.next().ok_or("no framework beside dotnet")?.path();
    let library = fs::read_dir(framework).map_err(|e| e.to_string())?.flatten();
    let library = library.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".dll") && name.starts_with("System")
    });
    let all = library.chain(references.iter().map(|path| path.to_path_buf()));
    command.args(all.map(|path| format!("-r:{}", path.display())));
    run(&mut command)
}
