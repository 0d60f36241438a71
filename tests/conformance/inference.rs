//! What `lambdabox invoke` works out when nothing is said, and that it says so.

use serde_json::json;

use crate::harness::{Function, default_minor, interpreter, invoke, lambdabox, zip_bytes};

const HELLO: &str =
    "def lambda_handler(event, context):\n    return __name__ + '.lambda_handler'\n";

/// A hello under another handler name.
const HANDLER: &str = "def handler(event, context):\n    return __name__ + '.handler'\n";

#[test]
fn a_file_runs_with_nothing_else_said() {
    let function = Function::empty()
        .file("app.py", "def handler(event, context):\n    return {'hello': event['name']}\n");
    let file = function.at("app.py");
    let run = lambdabox(["invoke"]).args([file]).event(r#"{"name":"Ada"}"#).run().answered();
    assert_eq!(run.json(), json!({"hello": "Ada"}));
    let inferred = run.said(&["app.handler", "python3."]);
    let stderr = inferred.stderr;
    let announced = stderr.split("START RequestId").next().unwrap();
    assert!(announced.contains("app.handler"), "said before the function runs: {stderr}");
}

#[test]
fn of_a_file_its_directory_is_var_task() {
    let function = Function::empty()
        .file("app.py", "import helper\ndef handler(event, context):\n    return helper.WORD\n")
        .file("helper.py", "WORD = 'beside'\n");
    let run = lambdabox(["invoke"]).args([function.at("app.py")]).run().answered();
    assert_eq!(run.json(), "beside");
}

#[test]
fn of_a_directory_awss_default_comes_first_then_app_then_main() {
    let all = Function::python(HELLO).file("app.py", HANDLER).file("main.py", HANDLER);
    assert_eq!(invoke(&all).run().answered().json(), "lambda_function.lambda_handler");
    let two = Function::empty().file("main.py", HANDLER).file("app.py", HANDLER);
    assert_eq!(invoke(&two).run().answered().json(), "app.handler");
    let one = Function::empty().file("main.py", HELLO);
    assert_eq!(invoke(&one).run().answered().json(), "main.lambda_handler");
}

#[test]
fn a_zip_runs_like_its_directory() {
    let zip = zip_bytes(&[
        ("lambda_function.py", HELLO.as_bytes(), 0o644),
        ("data/word.txt", b"inside", 0o600),
    ]);
    let package = Function::empty().file("package.zip", zip);
    let run = lambdabox(["invoke"]).args([package.at("package.zip")]).run().answered();
    assert_eq!(run.json(), "lambda_function.lambda_handler");
}

#[test]
fn messages_name_the_zip_and_not_where_it_was_unpacked() {
    let code = "import boto3\ndef lambda_handler(event, context):\n    pass\n";
    let zip = zip_bytes(&[("lambda_function.py", code.as_bytes(), 0o644)]);
    let package = Function::empty().file("package.zip", zip);
    let zip = package.at("package.zip");
    let of = |more: &[&str]| lambdabox(["invoke"]).args([&zip]).args(more).run();
    let name = zip.display();
    let run = of(&["--handler", "gone.x"]).expect_code(1);
    run.said(&[&format!("there is no gone.py in {name}")]);
    let run = of(&["--handler", "lambda_function.other", "--sdk", "off"]).expect_code(1);
    run.said(&[
        &format!("{name}/lambda_function.py has no other to be seen"),
        "pip install --target DIRECTORY-OF-THE-ZIP boto3",
    ]);
    let empty = Function::empty().file("empty.zip", zip_bytes(&[("data.txt", b"x", 0o644)]));
    let run = lambdabox(["invoke"]).args([empty.at("empty.zip")]).run();
    run.refused(&[&format!("find a handler in {}:", empty.at("empty.zip").display())]);
}

#[test]
fn members_of_a_zip_are_readable_whatever_their_modes_and_keep_execution() {
    let code = "import os, subprocess
def lambda_handler(event, context):
    return [open('data.txt').read(), subprocess.check_output(['./tool']).decode(),
            os.readlink('link')]
";
    let zip = zip_bytes(&[
        ("lambda_function.py", code.as_bytes(), 0o600),
        ("data.txt", b"data", 0o000),
        ("tool", b"#!/bin/sh\necho tool\n", 0o700),
        ("link", b"data.txt", 0o120_777),
    ]);
    let package = Function::empty().file("package.zip", zip);
    let run = lambdabox(["invoke"]).args([package.at("package.zip")]).run().answered();
    assert_eq!(run.json(), json!(["data", "tool\n", "data.txt"]));
}

#[test]
fn an_executable_bootstrap_means_a_custom_runtime() {
    let script = "#!/bin/sh\necho \"env: $AWS_EXECUTION_ENV.\"\nexit 3\n";
    let function = Function::bootstrap(script).file("app.py", HANDLER);
    let run = invoke(&function).run().failed_with("Runtime.ExitError");
    assert!(run.stderr.contains("env: ."), "no managed runtime's variable: {}", run.stderr);
    run.said(&["provided.al2023", "bootstrap"]);
}

#[test]
fn the_handler_can_be_said() {
    let function =
        Function::python(HELLO).file("jobs.py", "def nightly(e, c):\n    return 'night'\n");
    let run = invoke(&function).args(["--handler", "jobs.nightly"]).run().answered();
    assert_eq!(run.json(), "night");
}

#[test]
fn the_positional_form_names_directory_handler_and_event() {
    let function = Function::empty().file("jobs.py", "def nightly(event, c):\n    return event\n");
    let run = invoke(&function).args(["jobs.nightly", r#"{"n":1}"#]).run().answered();
    assert_eq!(run.json(), json!({"n": 1}));
}

#[test]
fn the_runtime_can_be_said() {
    let version = "import sys\ndef lambda_handler(e, c):\n    return list(sys.version_info[:2])\n";
    let function = Function::python(version);
    let Some(minor) = (9..=14).rev().find(|m| *m != default_minor() && interpreter(*m).is_some())
    else {
        skip!("only one Python is installed");
    };
    let run = invoke(&function).args(["--runtime", &format!("python3.{minor}")]).run().answered();
    assert_eq!(run.json(), json!([3, minor]));
}

#[test]
fn the_root_directory_and_the_home_directory_are_refused_with_a_hint() {
    lambdabox(["invoke", "/"]).run().refused(&["/"]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("app.py"), HANDLER).unwrap();
    let pyenv = std::env::var("PYENV_ROOT")
        .unwrap_or_else(|_| format!("{}/.pyenv", std::env::var("HOME").unwrap_or_default()));
    let at_home = |target: &std::path::Path| {
        lambdabox(["invoke"])
            .args([target])
            .env("HOME", home.path())
            .env("PYENV_ROOT", &pyenv)
            .run()
    };
    at_home(home.path()).refused(&["home"]);
    at_home(&home.path().join("app.py")).refused(&["home", "directory"]);
}

/// A file system without id mapping (`ramfs`), mounted on a directory and gone with it.
struct Ramfs(tempfile::TempDir);

impl Ramfs {
    fn mount() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        let mounted = mount.args(["-t", "ramfs", "e2e-ramfs"]).arg(place.path()).status().ok()?;
        mounted.success().then_some(Self(place))
    }
}

impl Drop for Ramfs {
    fn drop(&mut self) {
        let ended = std::process::Command::new("umount").arg(self.0.path()).status();
        assert!(ended.expect("umount runs").success(), "something still uses {:?}", self.0);
    }
}

#[test]
fn a_private_function_runs_from_a_file_system_that_cannot_be_id_mapped() {
    use std::os::unix::fs::PermissionsExt as _;
    let _machine = crate::harness::alone();
    let Some(place) = Ramfs::mount() else {
        skip!("a ramfs cannot be mounted here");
    };
    let project = place.0.path().join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("app.py"), HANDLER).unwrap();
    for (path, mode) in [(project.join("app.py"), 0o600), (project.clone(), 0o700)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let run = lambdabox(["invoke"]).args([&project]).while_alone().run().answered();
    assert_eq!(run.json(), "app.handler");
}

#[test]
fn a_function_in_a_private_home_with_private_files_runs_and_is_left_alone() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("project");
    std::fs::create_dir(&project).unwrap();
    let file = project.join("app.py");
    std::fs::write(&file, HANDLER).unwrap();
    let chmod = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(&file, 0o600);
    chmod(&project, 0o700);
    chmod(home.path(), 0o700);
    let before = std::fs::metadata(&file).unwrap();
    let run = lambdabox(["invoke"]).args([&project]).run().answered();
    assert_eq!(run.json(), "app.handler");
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!(
        (before.mode(), before.uid(), before.ino()),
        (after.mode(), after.uid(), after.ino())
    );
    let there = std::fs::read_dir(&project).unwrap().count();
    assert_eq!(there, 1, "nothing was written beside the user's code");
}
