//! `lambdabox.toml`, `LAMBDABOX_*` and flags: which wins, and what is refused.

use serde_json::json;

use crate::harness::{Function, invoke, lambdabox};

const SHOW: &str = "import os
def lambda_handler(event, context):
    return [context.memory_limit_in_mb, os.environ.get('COLOUR')]
";

#[test]
fn a_file_in_the_functions_directory_sets_options_and_variables() {
    let toml = "memory_size = 256\n[env]\nCOLOUR = \"green\"\n";
    let function = Function::python(SHOW).file("lambdabox.toml", toml);
    assert_eq!(invoke(&function).run().answered().json(), json!(["256", "green"]));
}

#[test]
fn a_file_in_a_parent_directory_counts_too() {
    let project = Function::empty()
        .file("lambdabox.toml", "memory_size = 192\n")
        .file("src/lambda_function.py", SHOW);
    let run = lambdabox(["invoke"]).args([project.at("src")]).run().answered();
    assert_eq!(run.json()[0], "192");
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_default() {
    let plain = Function::python(SHOW);
    assert_eq!(invoke(&plain).run().answered().json()[0], "128", "the default is AWS's");
    let function = Function::python(SHOW).file("lambdabox.toml", "memory_size = 192\n");
    assert_eq!(invoke(&function).run().answered().json()[0], "192");
    let with_env = || invoke(&function).env("LAMBDABOX_MEMORY_SIZE", "256");
    assert_eq!(with_env().run().answered().json()[0], "256");
    let run = with_env().args(["--memory-size", "320"]).run().answered();
    assert_eq!(run.json()[0], "320");
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    let function = Function::python(SHOW).file("lambdabox.toml", "memroy_size = 256\n");
    invoke(&function).run().refused(&["memroy_size", "lambdabox.toml"]);
}

#[test]
fn a_broken_file_is_an_error_with_its_line() {
    let function =
        Function::python(SHOW).file("lambdabox.toml", "timeout = 3\nmemory_size = = 2\n");
    invoke(&function).run().refused(&["lambdabox.toml:2"]);
}

#[test]
fn a_value_out_of_range_in_the_file_is_refused_as_a_flag_is() {
    let function = Function::python(SHOW).file("lambdabox.toml", "memory_size = 64\n");
    invoke(&function).run().refused(&["memory", "128", "10240"]);
}

#[test]
fn all_problems_are_told_together() {
    let function = Function::python(SHOW);
    let run = invoke(&function).args(["--memory-size", "64", "--timeout", "901"]).run();
    run.refused(&["64", "901"]);
}

#[test]
fn the_resolved_configuration_can_be_printed_without_running_anything() {
    let function = Function::python(SHOW).file("lambdabox.toml", "memory_size = 192\n");
    let run = invoke(&function).args(["--timeout=7", "--print-config"]).run().answered();
    let shown = format!("{}{}", run.text(), run.stderr);
    for part in ["192", "7"] {
        assert!(shown.contains(part), "{part} in:\n{shown}");
    }
    assert!(!shown.contains("START RequestId"), "nothing ran: {shown}");
}

#[test]
fn what_a_file_hands_to_the_function_is_said_unless_a_flag_takes_it_back() {
    let toml = "network = \"host\"\ncredentials = \"env\"\nmemory_size = 192\n";
    let function = Function::python(SHOW).file("lambdabox.toml", toml);
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    // A machine without `nat` has that in a variable, which goes before the file.
    let by_the_file = || invoke(&function).without_env("LAMBDABOX_NETWORK");
    let with_keys = || keys.into_iter().fold(by_the_file(), |run, (k, v)| run.env(k, v));
    let run = with_keys().run().answered();
    run.said(&["lambdabox.toml gives the function: network = host, credentials = env"]);
    let run = with_keys().args(["--network", "none", "--credentials", "placeholder"]).run();
    assert!(!run.answered().stderr.contains("gives the function"));
}

/// Whoever runs somebody else's directory does not lend it keys, files and networks unasked.
#[test]
fn a_file_that_is_somebody_elses_hands_nothing_over_unless_it_is_trusted() {
    if !nix::unistd::geteuid().is_root() {
        skip!("only root can give a file away");
    }
    const SOMEBODY: u32 = 1_880_000_001;
    let function = Function::python(SHOW).file("lambdabox.toml", "memory_size = 192\n");
    // As above.
    let by_the_file = || invoke(&function).without_env("LAMBDABOX_NETWORK");
    let file = function.path().join("lambdabox.toml");
    std::os::unix::fs::chown(&file, Some(SOMEBODY), None).unwrap();
    assert_eq!(invoke(&function).run().answered().json()[0], "192", "what hands nothing over");
    for (line, said) in [
        ("network = \"host\"", "network = host"),
        ("forwards = [8000]", "forwards = 8000"),
        ("layers = [\"/etc\"]", "layers = /etc"),
        ("event = \"/etc/shadow\"", "event = /etc/shadow"),
        // A link may have any name.
        ("event = \"[1]\"", "event = [1]"),
        ("env_file = \"/etc/environment\"", "env_file = /etc/environment"),
        ("profile = \"default\"", "profile = default"),
        (
            "env.AWS_ENDPOINT_URL = \"http://localhost:8000\"",
            "AWS_ENDPOINT_URL = http://localhost:8000",
        ),
    ] {
        std::fs::write(&file, format!("memory_size = 192\n{line}\n")).unwrap();
        let run = by_the_file().run();
        run.refused(&["lambdabox.toml belongs to uid 1880000001", said, "--trust-config"]);
    }
    std::fs::write(&file, "network = \"host\"\n").unwrap();
    invoke(&function).args(["--network", "none"]).run().answered();
    by_the_file().args(["--trust-config"]).run().answered().said(&["network = host"]);
    let through_sudo = by_the_file().env("SUDO_UID", SOMEBODY.to_string());
    through_sudo.run().answered().said(&["network = host"]);
}

#[test]
fn a_data_directory_that_others_may_write_is_refused_with_the_remedy() {
    let function = Function::python(SHOW);
    let data = tempfile::tempdir().unwrap();
    let mode = |bits| {
        let bits = std::os::unix::fs::PermissionsExt::from_mode(bits);
        std::fs::set_permissions(data.path(), bits).unwrap();
    };
    mode(0o777);
    let run = invoke(&function).data(data.path()).run();
    run.refused(&["LAMBDABOX_DATA_DIR is", "can be written by everybody", "chmod o-w"]);
    let serve = lambdabox(["serve", "--listen", "127.0.0.1:0"]).data(data.path()).run();
    serve.refused(&["can be written by everybody", "chmod o-w"]);
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing was put into it");
    mode(0o755);
    invoke(&function).data(data.path()).run().answered();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(data.path(), Some(1_880_000_001), None).unwrap();
        let run = invoke(&function).data(data.path()).run();
        run.refused(&["belongs to uid 1880000001", "a directory of your own"]);
    }
}

/// Who wrote the function would choose which directory is written to and cleaned.
#[test]
fn a_file_cannot_choose_the_data_directory_and_nothing_in_it_is_touched() {
    let function = Function::python(SHOW)
        .file("victim/run/important/file", "precious")
        .file("lambdabox.toml", "data_dir = \"victim\"\n");
    invoke(&function).run().refused(&["data_dir", "LAMBDABOX_DATA_DIR"]);
    let victim = function.path().join("victim");
    assert!(victim.join("run/important/file").exists());
    // Nor does a start that was told so clean away what is not its own.
    let plain = Function::python(SHOW);
    invoke(&plain).args(["--data-dir"]).args([&victim]).without_env("LAMBDABOX_DATA_DIR").run();
    assert!(victim.join("run/important/file").exists());
}
