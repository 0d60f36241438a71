//! .NET on made-up machines.

use super::*;
use crate::Catalogue;
use crate::discover::{Compat, Fit, all, find};

fn runtime(machine: &Machine, root: &str, version: &str) -> PathBuf {
    machine.write(&format!("{root}/shared/Microsoft.NETCore.App/{version}/System.dll"), "");
    machine.program(&format!("{root}/dotnet"), "\x7fELF")
}

fn dotnet(
    machine: &Machine,
    identifier: Option<&str>,
    compat: Compat,
) -> Result<Interpreter, String> {
    let language = Catalogue::embedded().language("dotnet").unwrap();
    find(language, identifier, compat, &machine.search).map_err(|e| e.to_string())
}

fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.search.dotnet_roots = vec![machine.at("share")];
    fs::create_dir(machine.at("bin")).unwrap();
    machine
}

#[test]
fn one_program_serves_every_version_that_is_beside_it() {
    let machine = machine();
    let program = runtime(&machine, "share", "8.0.2");
    runtime(&machine, "share", "8.0.11");
    runtime(&machine, "share", "10.0.1");
    symlink(&program, machine.at("bin/dotnet")).unwrap();
    for (identifier, version) in [("dotnet8", "8.0.11"), ("dotnet10", "10.0.1")] {
        let found = dotnet(&machine, Some(identifier), Compat::Exact).unwrap();
        assert_eq!((found.identifier.as_str(), found.fit), (identifier, Fit::Exact));
        assert_eq!((&found.executable, found.version.as_str()), (&program, version));
        assert_eq!(found.prefix, machine.at("share"));
    }
    let language = Catalogue::embedded().language("dotnet").unwrap();
    let versions: Vec<String> =
        all(language, &machine.search).into_iter().map(|found| found.version).collect();
    assert_eq!(versions, ["10.0.1", "8.0.11", "8.0.2"]);
}

#[test]
fn homes_and_the_variable_are_looked_at() {
    let mut machine = machine();
    let home = runtime(&machine, "home/.dotnet", "8.0.4");
    let chosen = runtime(&machine, "chosen", "10.0.0");
    machine.search.dotnet_root = Some(machine.at("chosen"));
    let found = |identifier| dotnet(&machine, Some(identifier), Compat::Exact).unwrap().executable;
    assert_eq!((found("dotnet8"), found("dotnet10")), (home, chosen));
}

#[test]
fn a_shim_is_asked_and_an_older_version_only_stands_in() {
    let machine = machine();
    runtime(&machine, "elsewhere", "3.1.23");
    let shared = machine.at("elsewhere/shared/Microsoft.NETCore.App");
    let script = format!("#!/bin/sh\necho 'Microsoft.NETCore.App 3.1.23 [{}]'\n", shared.display());
    machine.program("bin/dotnet", &script);
    let refused = dotnet(&machine, Some("dotnet8"), Compat::Exact).unwrap_err();
    assert!(refused.contains(".NET 3.1.23"), "{refused}");
    let near = dotnet(&machine, Some("dotnet8"), Compat::Near).unwrap();
    assert_eq!((near.version.as_str(), near.fit), ("3.1.23", Fit::Near));
    assert_eq!(dotnet(&machine, None, Compat::Exact).unwrap().executable, near.executable);
}
