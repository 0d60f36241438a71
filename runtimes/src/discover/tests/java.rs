//! Java on made-up machines.

use super::*;
use crate::Catalogue;
use crate::discover::{Compat, Fit, find};

/// With a Java that somebody has chosen.
fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.search.java_home = Some(machine.at("chosen"));
    fs::create_dir(machine.at("bin")).unwrap();
    machine
}

fn jdk(machine: &Machine, prefix: &str, version: &str) -> PathBuf {
    let text = format!("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"{version}\"\n");
    machine.write(&format!("{prefix}/release"), &text);
    machine.program(&format!("{prefix}/bin/java"), "\x7fELF")
}

fn java(machine: &Machine, identifier: &str) -> Result<Interpreter, String> {
    let language = Catalogue::embedded().language("java").unwrap();
    find(language, Some(identifier), Compat::Exact, &machine.search).map_err(|e| e.to_string())
}

#[test]
fn every_manager_is_read_off_and_both_names_of_a_version_are_served() {
    let machine = machine();
    let sdkman = jdk(&machine, "home/.sdkman/candidates/java/21.0.4-tem", "21.0.4");
    let cached = jdk(&machine, "cache/Java_Temurin-Hotspot_jdk/11.0.24/x64", "11.0.24");
    let eight = jdk(&machine, "home/.jdks/corretto-1.8", "1.8.0_402");
    let chosen = jdk(&machine, "chosen", "25");
    for (identifier, file, version) in [
        ("java21", &sdkman, "21.0.4"),
        ("java11", &cached, "11.0.24"),
        ("java11.al2023", &cached, "11.0.24"),
        ("java8.al2", &eight, "8.0.402"),
        ("java25", &chosen, "25"),
    ] {
        let found = java(&machine, identifier).unwrap();
        assert_eq!((&found.executable, found.version.as_str()), (file, version));
        assert_eq!((found.identifier.as_str(), found.fit), (identifier, Fit::Exact));
    }
}

#[test]
fn a_link_on_the_path_is_followed_to_its_installation() {
    let machine = machine();
    let real = jdk(&machine, "jvm/17", "17.0.15");
    symlink(&real, machine.at("bin/java")).unwrap();
    let found = java(&machine, "java17.al2023").unwrap();
    assert_eq!(found.executable, real);
    assert_eq!(found.found_at, machine.at("bin/java"));
}

#[test]
fn a_java_that_cannot_be_told_is_passed_over_with_the_reason() {
    let machine = machine();
    let real = jdk(&machine, "jvm/17", "17.0.15");
    fs::remove_file(machine.at("jvm/17/release")).unwrap();
    symlink(&real, machine.at("bin/java")).unwrap();
    let refused = java(&machine, "java17").unwrap_err();
    assert!(refused.contains("has no file `release`"), "{refused}");
}
