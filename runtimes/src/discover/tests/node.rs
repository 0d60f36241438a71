//! Node.js on made-up machines, and near versions of any language.

use super::*;
use crate::Catalogue;
use crate::discover::{Compat, DiscoverError, Fit, all, find};

/// A whole archive as Node.js' own are, with the header that says its version.
fn archive(machine: &Machine, prefix: &str, version: &str) -> PathBuf {
    let parts: Vec<&str> = version.split('.').collect();
    let header = format!(
        "#define NODE_MAJOR_VERSION {}\n#define NODE_MINOR_VERSION {}\n#define NODE_PATCH_VERSION {}\n",
        parts[0], parts[1], parts[2]
    );
    machine.write(&format!("{prefix}/include/node/node_version.h"), &header);
    machine.program(&format!("{prefix}/bin/node"), "\x7fELF")
}

fn node(
    machine: &Machine,
    identifier: Option<&str>,
    compat: Compat,
) -> Result<Interpreter, DiscoverError> {
    let language = Catalogue::embedded().language("nodejs").unwrap();
    find(language, identifier, compat, &machine.search)
}

fn exact(machine: &Machine, identifier: &str) -> Interpreter {
    node(machine, Some(identifier), Compat::Exact).unwrap()
}

#[test]
fn an_archive_on_the_path_is_read_off_with_its_prefix() {
    let mut machine = Machine::new();
    let real = archive(&machine, "tools/node-linux-x64", "22.23.3");
    machine.search.path = vec![machine.at("tools/node-linux-x64/bin")];
    let found = node(&machine, None, Compat::Exact).unwrap();
    assert_eq!((found.identifier.as_str(), found.fit), ("nodejs22.x", Fit::Exact));
    assert_eq!((found.version.as_str(), found.release.as_str()), ("22.23.3", "22"));
    assert_eq!(found.executable, real);
    assert_eq!(found.prefixes, [machine.at("tools/node-linux-x64")]);
}

#[test]
fn versions_of_nvm_fnm_volta_and_tool_caches_are_found_without_running_them() {
    let mut machine = Machine::new();
    archive(&machine, "home/.nvm/versions/node/v20.11.0", "20.11.0");
    archive(&machine, "home/.nvm/versions/node/v20.9.0", "20.9.0");
    archive(&machine, "home/.local/share/fnm/node-versions/v22.1.0/installation", "22.1.0");
    archive(&machine, "sudoer/.volta/tools/image/node/24.3.0", "24.3.0");
    archive(&machine, "cache/node/18.20.4/x64", "18.20.4");
    archive(&machine, "elsewhere/versions/node/v26.1.0", "26.1.0");
    machine.search.nvm_dir = Some(machine.at("elsewhere"));
    assert_eq!(exact(&machine, "nodejs20.x").version, "20.11.0", "the newest of its kind");
    assert_eq!(exact(&machine, "nodejs22.x").version, "22.1.0");
    assert_eq!(exact(&machine, "nodejs24.x").version, "24.3.0");
    assert_eq!(exact(&machine, "nodejs18.x").prefix, machine.at("cache/node/18.20.4/x64"));
    assert_eq!(exact(&machine, "nodejs26.x").version, "26.1.0");
    let language = Catalogue::embedded().language("nodejs").unwrap();
    let versions: Vec<String> =
        all(language, &machine.search).into_iter().map(|i| i.version).collect();
    assert_eq!(versions[..2], ["26.1.0", "24.3.0"]);
}

#[test]
fn a_wrapper_on_the_path_is_asked_and_one_off_the_path_is_not_run() {
    let machine = Machine::new();
    let real = archive(&machine, "hidden/node", "22.5.1");
    // Stands in for a version manager's shim: answers what the real one would say.
    let says = format!("#!/bin/sh\nprintf 'node\\n22.5.1\\n%s\\n' '{}'\n", real.display());
    machine.program("bin/node", &says);
    let found = node(&machine, None, Compat::Exact).unwrap();
    assert_eq!((found.executable, found.found_at), (real, machine.at("bin/node")));

    machine.program("bin/node", "#!/bin/sh\nprintf 'another\\n22.0.0\\n/x\\n'\n");
    let error = node(&machine, None, Compat::Exact).unwrap_err().to_string();
    assert!(error.contains("gave an answer that is not Node.js'"), "{error}");
    machine.program("bin/node", "#!/bin/sh\nexit 127\n");
    let error = node(&machine, None, Compat::Exact).unwrap_err().to_string();
    assert!(error.contains("bin/node is no Node.js that works"), "{error}");

    let ran = machine.at("ran");
    let script = format!("#!/bin/sh\ntouch {}\n", ran.display());
    machine.program("sudoer/.nvm/versions/node/v24.0.0/bin/node", &script);
    let error = node(&machine, Some("nodejs24.x"), Compat::Exact).unwrap_err().to_string();
    assert!(error.contains("is not on PATH") && !ran.exists(), "{error}");
}

#[test]
fn a_node_installed_straight_into_a_home_is_not_offered() {
    let mut machine = Machine::new();
    archive(&machine, "home", "22.1.0");
    machine.search.path = vec![machine.at("home/bin")];
    let error = node(&machine, None, Compat::Exact).unwrap_err().to_string();
    assert!(error.contains("all of which a function would then see"), "{error}");
}

#[test]
fn a_missing_version_names_what_there_is_and_how_to_get_it() {
    let mut machine = Machine::new();
    let error = node(&machine, Some("nodejs22.x"), Compat::Near).unwrap_err().to_string();
    assert!(error.contains("this machine has no Node.js"), "{error}");
    assert!(error.contains("nvm install 22"), "{error}");
    assert!(!error.contains("--runtime-compat"), "{error}");
    archive(&machine, "old", "20.1.0");
    machine.search.path = vec![machine.at("old/bin")];
    let error = node(&machine, Some("nodejs22.x"), Compat::Exact).unwrap_err().to_string();
    assert!(error.contains("nodejs20.x ("), "{error}");
    assert!(error.contains("--runtime-compat near would take Node.js 20.1.0"), "{error}");
}

#[test]
fn the_nearest_version_stands_in_only_where_that_is_allowed() {
    let mut machine = Machine::new();
    archive(&machine, "a", "20.1.0");
    archive(&machine, "b", "25.0.0");
    machine.search.path = vec![machine.at("a/bin"), machine.at("b/bin")];
    let near = |identifier| {
        let found = node(&machine, Some(identifier), Compat::Near).unwrap();
        assert_eq!(found.identifier, identifier);
        (found.version, found.fit)
    };
    assert_eq!(near("nodejs20.x"), ("20.1.0".to_owned(), Fit::Exact));
    assert_eq!(near("nodejs22.x"), ("20.1.0".to_owned(), Fit::Near));
    assert_eq!(near("nodejs24.x"), ("25.0.0".to_owned(), Fit::Near));
    assert!(node(&machine, Some("nodejs24.x"), Compat::Exact).is_err());
}

#[test]
fn a_version_aws_has_not_runs_as_the_nearest_if_none_is_asked_for_and_no_other_is_there() {
    let mut machine = Machine::new();
    archive(&machine, "odd", "25.2.0");
    archive(&machine, "old", "16.0.0");
    machine.search.path = vec![machine.at("old/bin"), machine.at("odd/bin")];
    let found = node(&machine, None, Compat::Exact).unwrap();
    assert_eq!((found.identifier.as_str(), found.fit), ("nodejs26.x", Fit::Near));
    archive(&machine, "good", "22.0.0");
    machine.search.path.push(machine.at("good/bin"));
    let found = node(&machine, None, Compat::Exact).unwrap();
    assert_eq!((found.identifier.as_str(), found.fit), ("nodejs22.x", Fit::Exact));
    machine.search.path.truncate(1);
    let error = node(&machine, None, Compat::Exact).unwrap_err().to_string();
    assert!(error.contains("is Node.js 16.0.0, which is too old"), "{error}");

    let mut machine = Machine::new();
    machine.installation("newest", "3.16");
    machine.search.path = vec![machine.at("newest/bin")];
    let found = python(None, &machine.search).unwrap();
    assert_eq!((found.identifier.as_str(), found.fit), ("python3.15", Fit::Near));
}

#[test]
fn the_node_of_this_machine_agrees_with_what_was_read_off() {
    let language = Catalogue::embedded().language("nodejs").unwrap();
    let found = all(language, &Search::from_environment());
    if found.is_empty() {
        println!("SKIP: no Node.js on this machine");
    }
    for interpreter in found {
        let output = std::process::Command::new(&interpreter.executable)
            .args(["-p", "process.versions.node + ' ' + process.execPath"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let expected = format!("{} {}\n", interpreter.version, interpreter.executable.display());
        assert_eq!(said, expected);
    }
}
