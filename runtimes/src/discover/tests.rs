//! Discovery on made-up trees, and on what this machine really has.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::packages::{VenvError, sdk, venv_identifier, venv_site_packages};

mod dotnet;
mod java;
mod node;
mod ruby;

/// A machine in a directory.
struct Machine {
    dir: TempDir,
    search: Search,
}

impl Machine {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let search = Search {
            path: vec![root.join("bin")],
            home: Some(root.join("home")),
            sudo_home: Some(root.join("sudoer")),
            tool_caches: vec![root.join("cache")],
            cwd: root.join("home/work"),
            ..Search::default()
        };
        Self { dir, search }
    }

    fn at(&self, path: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(path)
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    fn program(&self, path: &str, text: &str) -> PathBuf {
        let file = self.write(path, text);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    /// A complete installation that can be read off.
    fn installation(&self, prefix: &str, minor: &str) -> PathBuf {
        let real = self.program(&format!("{prefix}/bin/python{minor}"), "\x7fELF");
        self.write(&format!("{prefix}/lib/python{minor}/os.py"), "");
        self.write(&format!("{prefix}/lib/python{minor}/site-packages/README"), "");
        let link = self.at(&format!("{prefix}/bin/python3"));
        let _ = fs::remove_file(&link);
        symlink(format!("python{minor}"), link).unwrap();
        real
    }

    /// pyenv in the home, with a shim on the path.
    fn pyenv(&mut self, versions: &[(&str, &str)]) {
        for (version, minor) in versions {
            self.installation(&format!("home/.pyenv/versions/{version}"), minor);
            self.program(&format!("home/.pyenv/shims/python{minor}"), "#!/bin/false\n");
        }
        self.program("home/.pyenv/shims/python3", "#!/bin/false\n");
        self.search.path.insert(0, self.at("home/.pyenv/shims"));
    }

    fn find(&self, identifier: Option<&str>) -> Interpreter {
        python(identifier, &self.search).unwrap()
    }
}

#[test]
fn an_installation_on_the_path_is_read_off_with_its_prefix_and_packages() {
    let mut machine = Machine::new();
    let real = machine.installation("opt/3.12.4", "3.12");
    machine.search.path.push(machine.at("opt/3.12.4/bin"));
    let found = machine.find(None);
    assert_eq!(found.identifier, "python3.12");
    assert_eq!(found.version, "3.12.4");
    assert_eq!(found.executable, real);
    assert_eq!(found.prefixes, [machine.at("opt/3.12.4")]);
    assert_eq!(found.site_packages, [machine.at("opt/3.12.4/lib/python3.12/site-packages")]);
    assert_eq!(found.found_at, machine.at("opt/3.12.4/bin/python3"));
}

#[test]
fn a_pyenv_shim_is_resolved_by_the_version_file_without_running_it() {
    let mut machine = Machine::new();
    machine.pyenv(&[("3.10.13", "3.10"), ("3.11.7", "3.11"), ("3.12.1", "3.12")]);
    machine.write("home/.pyenv/version", "3.11.7\n");
    let found = machine.find(None);
    assert_eq!(found.version, "3.11.7");
    assert_eq!(found.executable, machine.at("home/.pyenv/versions/3.11.7/bin/python3.11"));
}

#[test]
fn the_nearest_python_version_file_and_then_the_variable_decide_a_shim() {
    let mut machine = Machine::new();
    machine.pyenv(&[("3.10.13", "3.10"), ("3.11.7", "3.11"), ("3.12.1", "3.12")]);
    machine.write("home/.pyenv/version", "3.11.7\n");
    machine.write("home/.python-version", "# ours\n3.10\n");
    fs::create_dir_all(machine.at("home/work")).unwrap();
    assert_eq!(machine.find(None).version, "3.10.13");
    machine.search.pyenv_version = Some("3.9.9:3.12.1".to_owned());
    assert_eq!(
        machine.find(None).version,
        "3.12.1",
        "a version that is not installed is passed over for the newest there is"
    );
}

#[test]
fn a_shim_of_the_system_version_leads_to_the_rest_of_the_path() {
    let mut machine = Machine::new();
    machine.pyenv(&[("3.12.1", "3.12")]);
    machine.write("home/.pyenv/version", "system\n");
    machine.installation("machine", "3.11");
    machine.search.path.push(machine.at("machine/bin"));
    assert_eq!(machine.find(None).identifier, "python3.11");
}

#[test]
fn an_exact_runtime_is_found_beside_the_path_and_never_replaced_by_another() {
    let mut machine = Machine::new();
    machine.pyenv(&[("3.9.18", "3.9"), ("3.12.1", "3.12"), ("3.12.10", "3.12")]);
    machine.write("home/.pyenv/version", "3.9.18\n");
    assert_eq!(machine.find(Some("python3.9")).version, "3.9.18");
    assert_eq!(machine.find(Some("python3.12")).version, "3.12.10", "the newest of its kind");
    let error = python(Some("python3.13"), &machine.search).unwrap_err().to_string();
    assert!(error.contains("python3.12 (") && error.contains("python3.9 ("), "{error}");
    assert!(error.contains("pyenv install 3.13"), "{error}");
    assert!(error.contains("apt-get install python3.13"), "{error}");
}

#[test]
fn a_machine_without_python_says_how_to_get_one() {
    let machine = Machine::new();
    let error = python(None, &machine.search).unwrap_err();
    assert!(matches!(error, DiscoverError::NoneAtAll { .. }));
    assert!(error.to_string().contains("apt-get install python3"), "{error}");
}

#[test]
fn a_runtime_that_is_no_python_is_refused_with_the_list() {
    let error = python(Some("python3.99"), &Machine::new().search).unwrap_err();
    assert!(matches!(error, DiscoverError::OtherLanguage { .. }));
    assert!(error.to_string().contains("python3.11"), "{error}");
}

#[test]
fn interpreters_of_the_user_behind_sudo_and_of_tool_caches_are_found() {
    let machine = Machine::new();
    machine.installation("sudoer/.pyenv/versions/3.13.2", "3.13");
    machine.installation("cache/Python/3.12.8/x64", "3.12");
    machine.installation("home/.local/share/uv/python/cpython-3.10.2-linux-x86_64-gnu", "3.10");
    let found = machine.find(Some("python3.13"));
    assert_eq!(found.prefix, machine.at("sudoer/.pyenv/versions/3.13.2"));
    assert_eq!(machine.find(Some("python3.12")).prefix, machine.at("cache/Python/3.12.8/x64"));
    assert_eq!(machine.find(Some("python3.10")).version, "3.10.2");
    let all: Vec<String> = all_pythons(&machine.search).into_iter().map(|i| i.version).collect();
    assert_eq!(all, ["3.13.2", "3.12.8", "3.10.2"], "newest first");
    assert_eq!(machine.find(None).version, "3.13.2");
}

#[test]
fn an_old_python_first_on_the_path_gives_way_to_one_aws_has() {
    let mut machine = Machine::new();
    machine.installation("old", "3.8");
    machine.installation("new", "3.11");
    machine.search.path = vec![machine.at("old/bin"), machine.at("new/bin")];
    assert_eq!(machine.find(None).identifier, "python3.11");
    machine.search.path.pop();
    let error = python(None, &machine.search).unwrap_err().to_string();
    assert!(error.contains("is Python 3.8, which no runtime of AWS here has"), "{error}");
}

#[test]
fn a_virtual_environment_on_the_path_runs_its_base_with_its_own_packages_first() {
    let mut machine = Machine::new();
    machine.installation("base/3.11.2", "3.11");
    let home = machine.at("base/3.11.2/bin");
    machine.write("venv/pyvenv.cfg", &format!("home = {}\nversion = 3.11.2\n", home.display()));
    machine.write("venv/lib/python3.11/site-packages/x", "");
    fs::create_dir_all(machine.at("venv/bin")).unwrap();
    symlink(home.join("python3.11"), machine.at("venv/bin/python3")).unwrap();
    machine.search.path = vec![machine.at("venv/bin")];
    let found = machine.find(None);
    assert_eq!(found.executable, machine.at("base/3.11.2/bin/python3.11"));
    assert_eq!(found.prefixes, [machine.at("base/3.11.2")], "not the environment itself");
    assert_eq!(found.site_packages[0], machine.at("venv/lib/python3.11/site-packages"));
    assert_eq!(found.found_at, machine.at("venv/bin/python3"));

    assert_eq!(
        venv_site_packages(&machine.at("venv"), &found).unwrap(),
        [machine.at("venv/lib/python3.11/site-packages")]
    );
    assert_eq!(venv_identifier(&machine.at("venv")).unwrap(), "python3.11");
}

#[test]
fn a_virtual_environment_of_another_python_or_none_at_all_is_refused() {
    let mut machine = Machine::new();
    machine.installation("base", "3.11");
    machine.search.path = vec![machine.at("base/bin")];
    let interpreter = machine.find(None);
    machine.write("venv/pyvenv.cfg", "home = /usr/bin\nversion_info = 3.12.3.final.0\n");
    let error = venv_site_packages(&machine.at("venv"), &interpreter).unwrap_err();
    assert!(error.to_string().contains("made for Python 3.12"), "{error}");
    assert!(error.to_string().contains("--runtime python3.12"), "{error}");
    let error = venv_site_packages(&machine.at("nothing"), &interpreter).unwrap_err();
    assert!(matches!(error, VenvError::NotVenv { .. }), "{error}");
    machine.write("empty/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.1\n");
    let error = venv_site_packages(&machine.at("empty"), &interpreter).unwrap_err();
    assert!(matches!(error, VenvError::NoPackages { .. }), "{error}");
}

#[test]
fn an_environment_with_system_packages_offers_the_interpreters_after_its_own() {
    let mut machine = Machine::new();
    machine.installation("base", "3.11");
    machine.search.path = vec![machine.at("base/bin")];
    machine.write(
        "venv/pyvenv.cfg",
        "home = /x\nversion = 3.11.1\ninclude-system-site-packages = true\n",
    );
    machine.write("venv/lib/python3.11/site-packages/x", "");
    let found = venv_site_packages(&machine.at("venv"), &machine.find(None)).unwrap();
    assert_eq!(
        found,
        [
            machine.at("venv/lib/python3.11/site-packages"),
            machine.at("base/lib/python3.11/site-packages"),
        ]
    );
}

#[test]
fn a_python_installed_straight_into_a_home_is_not_offered() {
    let mut machine = Machine::new();
    machine.installation("home", "3.11");
    machine.search.path = vec![machine.at("home/bin")];
    let error = python(None, &machine.search).unwrap_err().to_string();
    assert!(error.contains("all of which a function would then see"), "{error}");
}

#[test]
fn a_relative_path_entry_is_never_followed() {
    let mut machine = Machine::new();
    machine.search.path = vec!["bin".into(), "".into(), ".".into()];
    assert!(matches!(python(None, &machine.search), Err(DiscoverError::NoneAtAll { .. })));
}

#[test]
fn a_foreign_shim_is_asked_once_and_a_broken_one_is_named() {
    let mut machine = Machine::new();
    let real = machine.installation("hidden/3.11.9", "3.11");
    // Stands in for a shim of another version manager: answers what the real one would say.
    let prefix = machine.at("hidden/3.11.9");
    machine.program(
        "bin/python3",
        &format!(
            "#!/bin/sh\nprintf 'cpython\\n3.11.9\\n%s\\n%s\\n%s\\n' '{}' '{}' '{}'\n",
            real.display(),
            prefix.display(),
            prefix.display(),
        ),
    );
    let found = machine.find(None);
    assert_eq!((found.executable, found.version), (real, "3.11.9".to_owned()));
    assert_eq!(found.found_at, machine.at("bin/python3"));

    machine.program("bin/python3", "#!/bin/sh\nexit 3\n");
    let error = python(None, &machine.search).unwrap_err().to_string();
    assert!(error.contains("bin/python3 is no Python 3 that works"), "{error}");

    machine.program("bin/python3", "#!/bin/sh\nprintf 'pypy\\n3.10.1\\n/x\\n/x\\n/x\\n'\n");
    let error = python(None, &machine.search).unwrap_err().to_string();
    assert!(error.contains("is pypy, not CPython"), "{error}");

    // The same script off the path would run with root's rights under sudo; it is left alone.
    machine.search.path.clear();
    let ran = machine.at("ran");
    machine.program(
        "sudoer/.pyenv/versions/3.11.0/bin/python3.11",
        &format!("#!/bin/sh\ntouch {}\n", ran.display()),
    );
    let error = python(Some("python3.11"), &machine.search).unwrap_err().to_string();
    assert!(error.contains("is not on PATH") && !ran.exists(), "{error}");
}

#[test]
fn the_sdk_is_found_whole_or_not_at_all() {
    let mut machine = Machine::new();
    machine.installation("base", "3.11");
    machine.search.path = vec![machine.at("base/bin")];
    let site = "base/lib/python3.11/site-packages";
    machine.write(&format!("{site}/boto3/__init__.py"), "x = 1\n__version__ = '1.34.5'\n");
    for package in ["botocore", "s3transfer", "jmespath", "dateutil"] {
        machine.write(&format!("{site}/{package}/__init__.py"), "");
    }
    machine.write("home/.local/lib/python3.11/site-packages/urllib3/__init__.py", "");
    let interpreter = machine.find(None);
    assert_eq!(sdk(&interpreter), None, "dateutil needs six");
    machine.write(&format!("{site}/six.py"), "");
    let found = sdk(&interpreter).unwrap();
    assert_eq!(found.version.as_deref(), Some("1.34.5"));
    let names: Vec<&str> = found.packages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"]
    );
    assert_eq!(
        found.packages[5].1,
        machine.at("home/.local/lib/python3.11/site-packages/urllib3"),
        "the user's own packages come first, as in Python"
    );
}

/// Asks the interpreter itself and compares.
fn agrees_with_itself(found: &Interpreter) {
    let answer = probe::ask(&found.executable, Path::new("/"), 1).unwrap();
    assert_eq!(fs::canonicalize(answer.base_prefix).unwrap(), found.prefix, "{found:?}");
    assert!(answer.version.starts_with(&found.version), "{found:?} says {}", answer.version);
}

#[test]
fn every_python_of_this_machine_agrees_with_what_was_read_off() {
    let found = all_pythons(&Search::from_environment());
    if found.is_empty() {
        println!("SKIP: no Python on this machine");
    }
    for interpreter in &found {
        println!(
            "{} {} {}",
            interpreter.identifier,
            interpreter.version,
            interpreter.executable.display()
        );
        agrees_with_itself(interpreter);
        let again = python(Some(&interpreter.identifier), &Search::from_environment()).unwrap();
        assert_eq!(again.identifier, interpreter.identifier);
    }
}

#[test]
fn the_default_python_is_found_quickly() {
    const ROUNDS: u32 = 50;
    let start = Instant::now();
    crate::Catalogue::embedded();
    println!("catalogue parsed in {:?}", start.elapsed());
    let search = Search::from_environment();
    let Ok(first) = python(None, &search) else {
        println!("SKIP: no Python on this machine");
        return;
    };
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let found = python(None, &search).unwrap();
        best = best.min(start.elapsed());
        assert_eq!(found, first);
    }
    let start = Instant::now();
    let packages = sdk(&first);
    println!(
        "{} from {}: {best:?} at best; sdk {:?} in {:?}",
        first.version,
        first.found_at.display(),
        packages.map(|sdk| sdk.version),
        start.elapsed(),
    );
    // The best of fifty is not moved by a busy machine; running an interpreter takes 6 ms or more.
    assert!(best < Duration::from_millis(3), "{best:?}");
}
