//! `docs/ci.md`: its commands are those of `scripts/ci-example`, and those do what the page says.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{binary, quiet_environment, settings, shared};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// Commands of the workflow: the lines of its `run: |` blocks.
fn commands_of_the_page() -> Vec<String> {
    let page = read("docs/ci.md");
    let workflow = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let mut commands = Vec::new();
    let mut block = None;
    for line in workflow.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.trim() == "run: |" {
            block = Some(indent);
        } else if block.is_some_and(|outer| indent > outer) {
            commands.push(line.trim().to_owned());
        } else {
            block = None;
        }
    }
    commands
}

/// Commands of the script: what follows its marker, but comments and the branch around two lines.
fn commands_of_the_script() -> Vec<String> {
    let script = read("scripts/ci-example");
    let steps = script.split("# --- the steps ---\n").nth(1).unwrap();
    let lines = steps.lines().map(str::trim);
    let is_branch = |line: &str| line.starts_with("if [ ") || line == "fi";
    lines.filter(|l| !l.starts_with('#') && !is_branch(l)).map(str::to_owned).collect()
}

/// The program as `scripts/package` packs it: the one under test, instead of a release build.
fn tarball(dir: &Path) -> PathBuf {
    let package = root().join("scripts/package");
    let output = Command::new(package).args([binary(), dir]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    made.into_iter().find(|path| path.extension().is_some_and(|e| e == "gz")).unwrap()
}

/// Runs the script with some of its text replaced: exit code, and both outputs.
fn run(script: &str, tarball: &Path) -> (i32, String) {
    run_through(&["env"], script, tarball)
}

fn run_through(wrapper: &[&str], script: &str, tarball: &Path) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ci-example");
    std::fs::write(&file, script).unwrap();
    let mut command = Command::new(wrapper[0]);
    quiet_environment(&mut command);
    command.envs(settings());
    command
        .args(&wrapper[1..])
        .arg("bash")
        .arg(&file)
        .arg(tarball)
        .env("LAMBDABOX_DATA_DIR", dir.path().join("data"));
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_page_and_the_script_have_the_same_commands() {
    let commands = commands_of_the_page();
    assert!(commands.len() > 8, "{commands:#?}");
    assert_eq!(commands, commands_of_the_script());
}

#[test]
fn the_page_builds_a_checkout_of_its_own_with_the_compiler_that_the_manifest_asks_for() {
    let (page, manifest) = (read("docs/ci.md"), read("Cargo.toml"));
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.unwrap().trim_matches('"');
    // The job's own checkout is the function's repository.
    let build = page.split("```yaml\n").nth(2).unwrap().split("```").next().unwrap();
    for line in [
        "repository: OWNER/lambdabox",
        "path: lambdabox",
        &format!("cargo +{version} build --manifest-path lambdabox/Cargo.toml --release --locked"),
        "install -D lambdabox/target/release/lambdabox bin/lambdabox",
    ] {
        assert!(build.lines().any(|found| found.trim() == line), "{line}:\n{build}");
    }
}

#[test]
fn the_script_passes_on_a_right_answer_and_fails_on_a_wrong_one_and_on_a_failure() {
    let _shared = shared();
    let dir = tempfile::tempdir().unwrap();
    let tarball = tarball(dir.path());
    let script = read("scripts/ci-example");
    let replaced = |from: &str, to: &str| {
        assert!(script.contains(from), "the script has no {from:?}");
        script.replace(from, to)
    };

    let (code, said) = run(&script, &tarball);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("functions can run here"), "{said}");

    let (code, said) = run(&replaced("\"name\": \"Ada\"", "\"name\": \"Bob\""), &tarball);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("Hello, Bob!"), "the difference is shown: {said}");

    let (code, said) = run(&replaced("event[\"name\"]", "event[\"nobody\"]"), &tarball);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("KeyError"), "{said}");

    // The job ends where `doctor` says that functions cannot run, before one is tried.
    let less = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
    let (code, said) = run_through(&less, &script, &tarball);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("functions cannot run here") && said.contains("fix: "), "{said}");
    assert!(!said.contains("START RequestId"), "{said}");
}

#[test]
fn the_tarball_has_what_is_installed_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let tarball = tarball(dir.path());
    let list = Command::new("tar").arg("-tzf").arg(&tarball).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    for file in
        ["lambdabox", "README.md", "LICENSE", "completions/lambdabox.bash", "man/lambdabox.1"]
    {
        assert!(list.lines().any(|line| line.ends_with(&format!("/{file}"))), "{file}: {list}");
    }
}
