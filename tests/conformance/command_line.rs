//! The command line's contract: outputs, colours, help, completions, exit codes.

use crate::harness::{Function, binary, invoke, lambdabox, on_a_terminal};

const HELLO: &str = "def lambda_handler(event, context):\n    print('hi')\n    return 1\n";

/// The byte that begins every colour.
const ESCAPE: char = '\u{1b}';

#[test]
fn the_version_is_printed() {
    let run = lambdabox(["--version"]).run().answered();
    assert_eq!(run.text(), format!("lambdabox {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_names_every_option_of_invoke() {
    let help = lambdabox(["invoke", "--help"]).run().answered().text();
    for option in [
        "--event",
        "--handler",
        "--runtime",
        "--memory-size",
        "--timeout",
        "--env",
        "--env-file",
        "--env-vars",
        "--layer",
        "--ephemeral-storage",
        "--network",
        "--region",
        "--profile",
        "--credentials",
        "--function-name",
        "--client-context",
        "--log-format",
        "--cpu",
        "--repeat",
        "--output",
        "--keep",
        "--forward",
        "--sdk",
        "--venv",
        "--runtime-client",
        "--print-config",
        "--color",
        "--quiet",
        "--verbose",
    ] {
        assert!(help.contains(option), "the help lacks {option}");
    }
}

#[test]
fn help_does_not_name_the_hidden_life_of_the_binary() {
    let help = lambdabox(["--help"]).run().answered().text();
    assert!(!help.contains("bootstrap  "), "{help}");
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let run = lambdabox(["completions", shell]).run().answered();
        assert!(run.text().contains("invoke"), "{shell}: {}", run.text());
    }
    lambdabox(["completions", "cobol"]).run().refused(&["cobol"]);
}

#[test]
fn the_man_page_is_made_from_the_same_words() {
    let page = lambdabox(["man"]).run().answered().text();
    assert!(page.contains(".TH") && page.contains("invoke"), "{page}");
}

#[test]
fn an_unknown_option_is_bad_usage() {
    let function = Function::python(HELLO);
    invoke(&function).args(["--no-such-option"]).run().refused(&["--no-such-option"]);
    lambdabox(["frobnicate"]).run().refused(&["frobnicate"]);
}

#[test]
fn the_log_is_plain_when_piped_and_coloured_on_a_terminal() {
    let function = Function::python(HELLO);
    let piped = invoke(&function).run().answered();
    assert!(!piped.stderr.contains(ESCAPE), "{:?}", piped.stderr);
    let path = function.path().to_str().unwrap();
    let (shown, code) = on_a_terminal(["invoke", path], &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(ESCAPE), "{shown:?}");
    let (shown, _) = on_a_terminal(["invoke", path], &[("NO_COLOR", "1")]);
    assert!(!shown.contains(ESCAPE), "{shown:?}");
    let (shown, _) = on_a_terminal(["invoke", path, "--color", "never"], &[]);
    assert!(!shown.contains(ESCAPE), "{shown:?}");
    let forced = invoke(&function).args(["--color", "always"]).run().answered();
    assert!(forced.stderr.contains(ESCAPE), "{:?}", forced.stderr);
}

#[test]
fn quiet_leaves_the_response_and_verbose_says_more() {
    let function = Function::python(HELLO);
    let quiet = invoke(&function).args(["-q"]).run().answered();
    assert_eq!(quiet.text(), "1");
    let plain = invoke(&function).run().answered();
    assert!(quiet.stderr.len() < plain.stderr.len(), "quiet says less: {}", quiet.stderr);
    let verbose = invoke(&function).args(["-v"]).run().answered();
    assert!(verbose.stderr.len() > plain.stderr.len(), "verbose says more: {}", verbose.stderr);
}

#[test]
fn a_closed_standard_output_is_no_panic() {
    let function = Function::python("def lambda_handler(e, c):\n    return 'x' * 1000000\n");
    let data = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", "\"$0\" invoke \"$1\" | true"])
        .arg(crate::harness::binary())
        .arg(function.path())
        .env("LAMBDABOX_DATA_DIR", data.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn keep_says_where_the_sandbox_is() {
    let _machine = crate::harness::alone();
    let function =
        Function::python("def lambda_handler(e, c):\n    open('/tmp/mark', 'w').close()\n");
    let running = invoke(&function).args(["--keep"]).while_alone().start();
    // The mark proves that it is this sandbox that was named, by its pid 1.
    running.wait_for_log("REPORT RequestId");
    let named = crate::harness::wait_until(std::time::Duration::from_secs(10), || {
        roots(&running.stderr_so_far()).iter().any(|root| root.join("tmp/mark").exists())
    });
    let log = running.stderr_so_far();
    running.signal(nix::sys::signal::Signal::SIGINT);
    running.wait();
    assert!(named, "no path of the kept sandbox in:\n{log}");
}

/// Paths of the log that could be a sandbox's root, and the roots of processes it names.
fn roots(log: &str) -> Vec<std::path::PathBuf> {
    let words = log.split(|c: char| c.is_whitespace() || "'\"`,;()".contains(c));
    words
        .flat_map(|word| {
            let pid = word.parse::<u32>().ok().map(|pid| format!("/proc/{pid}/root").into());
            let path = word.starts_with('/').then(|| word.trim_end_matches(['.', ':', '/']).into());
            [pid, path].into_iter().flatten()
        })
        .collect()
}

#[test]
fn a_plan_that_cannot_be_written_is_an_error_and_leaves_nothing() {
    let function = Function::python(HELLO);
    let data = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(binary());
    let ended = command
        .args(["invoke", "--explain"])
        .arg(function.path())
        .env("LAMBDABOX_DATA_DIR", data.path())
        .stdout(full)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(stderr.contains("error: failed to write standard output"), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let runs = std::fs::read_dir(data.path().join("run")).unwrap().count();
    assert_eq!(runs, 0, "the work directory is gone");
}

#[test]
fn a_directory_whose_name_is_no_text_is_a_function_like_any_other() {
    use std::os::unix::ffi::OsStrExt;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join(std::ffi::OsStr::from_bytes(b"fun\xffction"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("lambda_function.py"), HELLO).unwrap();
    let run = lambdabox([std::ffi::OsStr::new("invoke"), directory.as_os_str()]).run().answered();
    assert_eq!(run.json(), 1);
}
