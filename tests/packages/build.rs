//! `lambdabox build`: the project's own tools make a package that runs, and say what they do.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Function, Invoke, Run, e2e_cache, lambdabox, no_registries};

/// A runtime of one file and no library, so that compilers take no time and no network.
const RUST: &str = include_str!("../fixtures/bootstrap.rs");
const GO: &str = include_str!("build/echo.go");

/// Compilers and registries, on two crowded cores.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);

/// `lambdabox build` of a project, which may take its time.
struct Build(Invoke);

fn build(function: &Function) -> Build {
    Build(lambdabox(["build"]).args([function.path()]))
}

impl Build {
    fn args<S: AsRef<std::ffi::OsStr>>(self, more: impl IntoIterator<Item = S>) -> Self {
        Self(self.0.args(more))
    }

    fn env(self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        Self(self.0.env(name, value))
    }

    fn run(self) -> Run {
        self.0.start().wait_for(PATIENCE)
    }
}

/// Runs what was built, wherever that is.
fn answer(package: &Path, event: &str) -> serde_json::Value {
    let run = lambdabox(["invoke"]).args([package]).args(["--timeout", "30"]);
    run.event(event).run().answered().json()
}

fn built(function: &Function) -> PathBuf {
    function.at(".lambdabox/build")
}

fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).is_file())
}

/// Files below a directory, `.lambdabox` left out.
fn files(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true if entry.file_name() == ".lambdabox" => {}
                true => open.push(entry.path()),
                false => {
                    found.insert(entry.path().strip_prefix(root).unwrap().to_owned());
                }
            }
        }
    }
    found
}

fn go_project() -> Function {
    Function::empty().file("go.mod", "module echo\n\ngo 1.21\n").file("main.go", GO)
}

#[test]
fn a_go_project_becomes_one_program_and_stays_as_it_was() {
    if !has("go") {
        skip!("no Go on this machine");
    }
    let function = go_project();
    let before = files(function.path());
    let run = build(&function).run().answered();
    run.said(&["(Go)", "$ CGO_ENABLED=0 GOOS=linux", "go build", "run it with: lambdabox invoke"]);
    assert_eq!(files(function.path()), before);
    assert_eq!(files(&built(&function)), BTreeSet::from(["bootstrap".into()]));
    assert_eq!(answer(&built(&function), r#"{"n":1}"#), json!({"n": 1}));
}

#[test]
fn a_zip_is_made_again_but_never_over_somebody_elses_file() {
    if !has("go") {
        skip!("no Go on this machine");
    }
    let function = go_project();
    let elsewhere = Function::empty().file("taken.zip", "mine").file("taken/notes.txt", "mine");
    let zip = elsewhere.at("fn.zip");
    let mut bytes = Vec::new();
    for _ in 0..2 {
        build(&function).args(["--output"]).args([&zip]).run().answered();
        bytes.push(std::fs::read(&zip).unwrap());
    }
    assert!(bytes[0] == bytes[1], "the same sources make the same zip");
    assert_eq!(answer(&zip, "[2]"), json!([2]));
    for taken in ["taken.zip", "taken"] {
        let run = build(&function).args(["--output"]).args([elsewhere.at(taken)]).run();
        run.refused(&["lambdabox has not made it", "name another --output"]);
    }
    assert_eq!(std::fs::read_to_string(elsewhere.at("taken.zip")).unwrap(), "mine");
    assert!(elsewhere.at("taken/notes.txt").exists());
}

#[test]
fn a_rust_project_becomes_one_program_called_bootstrap() {
    let manifest =
        "[package]\nname = \"echo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    let function = Function::empty().file("Cargo.toml", manifest).file("src/main.rs", RUST);
    let run = build(&function).run().answered();
    run.said(&["(Rust)", "$ cargo build --release"]);
    assert_eq!(files(&built(&function)), BTreeSet::from(["bootstrap".into()]));
    assert_eq!(answer(&built(&function), "[3]"), json!([3]));
}

/// `arc4random` came with glibc 2.36.
const NEW_C: &str = "#include <stdlib.h>\nint main(void) { return arc4random() & 1; }\n";

#[test]
fn a_program_that_awss_c_library_would_not_start_is_told_of() {
    let function = Function::empty().file("main.c", NEW_C);
    let command = "cc -o \"$ARTIFACTS_DIR/bootstrap\" main.c";
    let run = build(&function).args(["--build-cmd", command]).run();
    if run.stderr.contains("arc4random") {
        skip!("this machine's C library is older than glibc 2.36");
    }
    run.answered().said(&["built against glibc 2.36", "provided.al2023 has 2.34"]);
    let command = "cc -static -o \"$ARTIFACTS_DIR/bootstrap\" main.c";
    let run = build(&function).args(["--build-cmd", command]).run().answered();
    assert!(!run.stderr.contains("glibc"), "{}", run.stderr);
}

#[test]
fn several_rust_programs_are_for_the_user_to_choose_from() {
    let manifest =
        "[package]\nname = \"two\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    let empty = "fn main() {}\n";
    let function = Function::empty()
        .file("Cargo.toml", manifest)
        .file("src/bin/one.rs", empty)
        .file("src/bin/two.rs", empty);
    build(&function).run().refused(&["there is one, two", "--build-cmd", "--bin NAME"]);
}

#[test]
fn npm_works_on_a_copy_and_builds_what_the_project_calls_building() {
    if !has("npm") {
        skip!("no npm on this machine");
    }
    if let Some(reason) = no_registries() {
        skip!("{reason}");
    }
    let manifest = r#"{"dependencies": {"ms": "2.1.3"},
        "scripts": {"build": "node -e \"require('fs').copyFileSync('handler.src', 'index.js')\""}}"#;
    let function = Function::empty().file("package.json", manifest).file(
        "handler.src",
        "const ms = require('ms');\nexports.handler = async (event) => ms(event.text);\n",
    );
    let before = files(function.path());
    let run = build(&function).run().answered();
    run.said(&["$ cd ", "npm install --no-package-lock", "npm run build", "npm prune --omit=dev"]);
    assert_eq!(files(function.path()), before, "the user's tree stays as it was");
    assert_eq!(answer(&built(&function), r#"{"text":"2 days"}"#), json!(172_800_000));
}

#[test]
fn pip_puts_packages_beside_the_sources() {
    if let Some(reason) = no_registries() {
        skip!("{reason}");
    }
    let source = "import six\ndef lambda_handler(event, context):\n    return six.__version__\n";
    let project = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['six==1.16.0']\n";
    for (file, text) in [("requirements.txt", "six==1.16.0\n"), ("pyproject.toml", project)] {
        let function = Function::python(source)
            .file(file, text)
            .file("data/words.txt", "w")
            .file(".env", "KEY=secret")
            .file("__pycache__/old.pyc", "");
        let run = build(&function).run().answered();
        run.said(&["(Python)", "-m pip install", "--target"]);
        let packed = files(&built(&function));
        assert!(packed.contains(Path::new("data/words.txt")), "{packed:?}");
        assert!(!packed.contains(Path::new(".env")), "{packed:?}");
        assert!(!packed.contains(Path::new("__pycache__/old.pyc")), "{packed:?}");
        assert_eq!(answer(&built(&function), "{}"), json!("1.16.0"), "{file}");
    }
}

#[test]
fn the_packages_are_those_of_the_runtime_that_was_named() {
    let Some(other) = (9..=13).find(|minor| {
        *minor != crate::harness::default_minor() && crate::harness::interpreter(*minor).is_some()
    }) else {
        skip!("there is one Python only");
    };
    if let Some(reason) = no_registries() {
        skip!("{reason}");
    }
    let runtime = format!("python3.{other}");
    let function = Function::python("").file("requirements.txt", "six==1.16.0\n");
    let run = build(&function).args(["--runtime", &runtime]).run().answered();
    run.said(&[&format!("python3.{other} -m pip install")]);
}

#[test]
fn bundler_puts_gems_below_vendor() {
    if !has("bundle") {
        skip!("no bundler on this machine");
    }
    // A source of gems of the test's own.
    let gems = tempfile::tempdir().unwrap();
    let made = Command::new("/bin/sh")
        .args(["-ec", MAKE_GEMS])
        .current_dir(gems.path())
        .output()
        .expect("there is a shell");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let source = gems.path().join("source");
    let function = Function::empty()
        .file("Gemfile", format!("source 'file://{}'\ngem 'greeter'\n", source.display()))
        .file(
            "lambda_function.rb",
            "require 'greeter'\ndef lambda_handler(event:, context:) = Greeter.greet(event)\n",
        );
    build(&function).run().answered().said(&["BUNDLE_PATH=vendor/bundle", "bundle install"]);
    let run = lambdabox(["invoke"]).args([built(&function)]).args(["--runtime-compat", "near"]);
    let run = run.args(["--runtime", "ruby3.4", "--timeout", "30"]).event("\"Ada\"").run();
    assert_eq!(run.answered().json(), json!("Hello, Ada!"));
}

/// One gem and the index that Bundler reads.
const MAKE_GEMS: &str = "
mkdir -p lib source/gems
echo 'module Greeter; def self.greet(name) = %(Hello, #{name}!); end' > lib/greeter.rb
cat > greeter.gemspec <<EOF
Gem::Specification.new do |gem|
  gem.name = 'greeter'
  gem.version = '1.0.0'
  gem.summary = 'Greets'
  gem.authors = ['lambdabox']
  gem.files = ['lib/greeter.rb']
end
EOF
gem build --output source/gems/greeter-1.0.0.gem greeter.gemspec
gem generate_index --directory source
";

#[test]
fn sources_without_a_tool_are_packed_as_they_are() {
    let function = Function::python("def lambda_handler(event, context):\n    return event\n");
    build(&function).run().answered();
    assert_eq!(answer(&built(&function), "[4]"), json!([4]));
}

#[test]
fn a_command_of_the_users_own_fills_the_package() {
    let function =
        Function::empty().file("handler.txt", "def lambda_handler(e, c):\n    return e\n");
    let command = "cp handler.txt \"$ARTIFACTS_DIR/lambda_function.py\"";
    let run = build(&function).args(["--build-cmd", command]).run().answered();
    run.said(&["$ ARTIFACTS_DIR=", "cp handler.txt"]);
    assert_eq!(answer(&built(&function), "[5]"), json!([5]));
    let empty = build(&function).args(["--build-cmd", "true"]).run().expect_code(1);
    empty.said(&["has put nothing into $ARTIFACTS_DIR"]);
    // What was built before is still there.
    assert_eq!(answer(&built(&function), "[6]"), json!([6]));
}

#[test]
fn invoke_builds_first_and_runs_nothing_if_that_fails() {
    let function =
        Function::empty().file("handler.txt", "def lambda_handler(e, c):\n    return e\n");
    let command = "cp handler.txt \"$ARTIFACTS_DIR/lambda_function.py\"";
    let run = lambdabox(["invoke"]).args([function.path()]).args(["--build-cmd", command]);
    let run = run.event("[7]").run().answered();
    assert_eq!(run.json(), json!([7]));
    let command = "echo told on stdout; echo told on stderr >&2; exit 3";
    let run = lambdabox(["invoke"]).args([function.path()]).args(["--build-cmd", command]).run();
    run.refused(&["told on stdout", "told on stderr", "ended with exit status: 3"]);
}

#[test]
fn a_build_that_fails_shows_what_the_tool_said() {
    let manifest =
        "[package]\nname = \"bad\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    let function = Function::empty()
        .file("Cargo.toml", manifest)
        .file("src/main.rs", "fn main() { let x: u8 = \"no number\"; }\n");
    let run = build(&function).run().expect_code(1);
    run.said(&["mismatched types", "error: failed to build", "`cargo build --release"]);
    assert!(!built(&function).exists());
}

fn refused_build(function: &Function, arguments: &[&str], explanation: &[&str]) -> Run {
    build(function).args(arguments).run().refused(explanation)
}

#[test]
fn what_is_no_project_is_told_what_was_looked_for_and_stays_untouched() {
    let function = Function::empty().file("notes.txt", "");
    refused_build(&function, &[], &["go.mod, Cargo.toml, pom.xml", "--build-cmd"]);
    assert!(!function.at(".lambdabox").exists());
}

#[test]
fn a_tool_that_is_missing_is_named_with_what_installs_it() {
    let function = Function::empty().file("pom.xml", "<project/>");
    let run = build(&function).env("PATH", "/nonexistent").env("HOME", "/nonexistent").run();
    run.refused(&["failed to run mvn", "it is not on this machine", "apt-get install maven"]);
}

#[test]
fn behind_sudo_the_tools_run_as_the_user_and_what_is_made_is_theirs() {
    use std::os::unix::fs::MetadataExt as _;
    let id = |option| {
        let output = Command::new("id").args([option, "nobody"]).output();
        output.ok().and_then(|o| String::from_utf8(o.stdout).ok()?.trim().parse::<u32>().ok())
    };
    let (Some(uid), Some(gid)) = (id("-u"), id("-g")) else { skip!("there is no user nobody") };
    let function = Function::empty().file("handler.txt", "");
    if std::fs::metadata(function.path()).unwrap().uid() != 0 {
        skip!("sudo is root's");
    }
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(function.path(), open).unwrap();
    let run = build(&function)
        .args([
            "--build-cmd",
            "id -u > \"$ARTIFACTS_DIR/uid\"; echo $HOME > \"$ARTIFACTS_DIR/home\"",
        ])
        .env("SUDO_UID", uid.to_string())
        .env("SUDO_GID", gid.to_string())
        .env("SUDO_USER", "nobody")
        .run();
    run.answered();
    let text = std::fs::read_to_string(built(&function).join("uid")).unwrap();
    assert_eq!(text.trim(), uid.to_string());
    let home = std::fs::read_to_string(built(&function).join("home")).unwrap();
    assert!(!home.starts_with("/root"), "{home}");
    for made in [".lambdabox", ".lambdabox/build", ".lambdabox/build/uid"] {
        assert_eq!(std::fs::metadata(function.at(made)).unwrap().uid(), uid, "{made}");
    }
}

/// Where compilers of templates keep what they made, between tests and runs.
pub(super) fn cache() -> PathBuf {
    e2e_cache().join("templates-target")
}

#[test]
fn sources_that_are_not_built_are_told_to_be() {
    let function = go_project();
    let run = lambdabox(["invoke"]).args([function.path()]).run();
    run.refused(&["go.mod", "has to be built first", "--build"]);
}
