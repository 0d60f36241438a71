//! Ruby on made-up machines.

use super::*;
use crate::Catalogue;
use crate::discover::{Compat, Fit, all, find};

/// With a distribution's programs on the path too.
fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.search.path.push(machine.at("usr/bin"));
    machine
}

fn config(machine: &Machine, path: &str, version: &str) {
    let text = format!("raise \"ruby lib version ({version}) doesn't match\"\n");
    machine.write(&format!("{path}/rbconfig.rb"), &text);
}

fn installation(machine: &Machine, prefix: &str, version: &str) -> PathBuf {
    let (minor, _) = version.rsplit_once('.').unwrap();
    config(machine, &format!("{prefix}/lib/ruby/{minor}.0/x86_64-linux"), version);
    machine.program(&format!("{prefix}/bin/ruby"), "\x7fELF")
}

fn ruby(
    machine: &Machine,
    identifier: Option<&str>,
    compat: Compat,
) -> Result<Interpreter, String> {
    let language = Catalogue::embedded().language("ruby").unwrap();
    find(language, identifier, compat, &machine.search).map_err(|error| error.to_string())
}

#[test]
fn version_managers_and_tool_caches_are_read_off_without_running_anything() {
    let machine = machine();
    let rbenv = installation(&machine, "home/.rbenv/versions/3.3.5", "3.3.5");
    let rvm = installation(&machine, "home/.rvm/rubies/ruby-3.2.9", "3.2.9");
    let cache = installation(&machine, "cache/Ruby/3.4.7/x64", "3.4.7");
    for (identifier, file, version) in
        [("ruby3.3", &rbenv, "3.3.5"), ("ruby3.2", &rvm, "3.2.9"), ("ruby3.4", &cache, "3.4.7")]
    {
        let found = ruby(&machine, Some(identifier), Compat::Exact).unwrap();
        assert_eq!((&found.executable, found.version.as_str()), (file, version));
        assert_eq!(found.prefixes, [file.parent().unwrap().parent().unwrap()]);
    }
    let ruby = Catalogue::embedded().language("ruby").unwrap();
    let listed: Vec<String> =
        all(ruby, &machine.search).into_iter().map(|found| found.identifier).collect();
    assert_eq!(listed, ["ruby3.4", "ruby3.3", "ruby3.2"]);
}

#[test]
fn debians_layout_is_read_off_and_its_3_1_is_only_near() {
    let machine = machine();
    config(&machine, "usr/lib/x86_64-linux-gnu/ruby/3.1.0", "3.1.7");
    let real = machine.program("usr/bin/ruby3.1", "\x7fELF");
    symlink("ruby3.1", machine.at("usr/bin/ruby")).unwrap();
    let refused = ruby(&machine, Some("ruby3.2"), Compat::Exact).unwrap_err();
    assert!(refused.contains("--runtime-compat near would take Ruby 3.1.7"), "{refused}");
    for identifier in [Some("ruby3.2"), None] {
        let found = ruby(&machine, identifier, Compat::Near).unwrap();
        assert_eq!((found.executable, found.fit), (real.clone(), Fit::Near));
        assert_eq!(found.identifier, "ruby3.2");
    }
}

#[test]
fn another_ruby_and_a_broken_one_are_passed_over_with_the_reason() {
    let machine = machine();
    machine.program("bin/ruby", "#!/bin/sh\necho jruby; echo 3.4.2; echo /usr/bin/java\n");
    let refused = ruby(&machine, Some("ruby3.4"), Compat::Exact).unwrap_err();
    assert!(refused.contains("gave an answer that is not CRuby's"), "{refused}");
    machine.program("bin/ruby", "#!/bin/sh\nexit 1\n");
    let refused = ruby(&machine, Some("ruby3.4"), Compat::Exact).unwrap_err();
    assert!(refused.contains("is no Ruby that works"), "{refused}");
}
