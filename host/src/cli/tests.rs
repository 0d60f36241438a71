//! The command line from end to end, with a stand-in for the program behind it.

mod hosts;

use std::cell::RefCell;
use std::fs;
use std::process::ExitCode;

use clap::CommandFactory;

use super::args::Cli;
use super::run::{Call, Streams, run_with};
use crate::app;
use crate::config::{Caller, Color, CredentialsOrigin, Invoke, Keep, Scope, Serve, Verbosity};
use crate::usage::Device;

struct Ran {
    status: String,
    out: String,
    err: String,
    started: Option<Invoke>,
    doctor: Option<app::Doctor>,
    served: Option<Serve>,
    built: Option<Invoke>,
    begun: Option<app::Init>,
    runtimes: Option<app::Runtimes>,
    client: Option<app::ClientCall>,
}

struct Place {
    root: tempfile::TempDir,
    caller: Caller,
}

impl Place {
    fn new(env: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("app.py"), "").unwrap();
        fs::write(root.path().join("event.json"), "{\"from\":\"file\"}").unwrap();
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let cwd = root.path().to_owned();
        let home = Some(root.path().join("home"));
        Self { root, caller: Caller { env, cwd, home, uid: 1_000 } }
    }

    fn run(&self, args: &[&str], mut stdin: &[u8]) -> Ran {
        self.run_on(args, &mut stdin, Device::Other)
    }

    fn run_on(&self, args: &[&str], stdin: &mut &[u8], device: Device) -> Ran {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let started = RefCell::new(None);
        let doctor = RefCell::new(None);
        let served = RefCell::new(None);
        let runtimes = RefCell::new(None);
        let built = RefCell::new(None);
        let begun = RefCell::new(None);
        let client = RefCell::new(None);
        let mut streams = Streams {
            stdin,
            stdout: &mut out,
            stderr: &mut err,
            stdout_device: device,
            stderr_device: device,
        };
        let args = ["lambdabox"].iter().chain(args).map(|arg| (*arg).into());
        let status = run_with(args, &self.caller, &mut streams, |call| {
            match call {
                Call::Invoke(invoke) => *started.borrow_mut() = Some(*invoke),
                Call::Init(asked) => *begun.borrow_mut() = Some(asked),
                Call::Build(invoke) => *built.borrow_mut() = Some(*invoke),
                Call::Doctor(asked) => *doctor.borrow_mut() = Some(asked),
                Call::Serve(asked) => *served.borrow_mut() = Some(*asked),
                Call::Runtimes(asked) => *runtimes.borrow_mut() = Some(asked),
                Call::Client(asked) => *client.borrow_mut() = Some(*asked),
            }
            ExitCode::from(7)
        });
        Ran {
            status: format!("{status:?}"),
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
            started: started.into_inner(),
            doctor: doctor.into_inner(),
            served: served.into_inner(),
            runtimes: runtimes.into_inner(),
            built: built.into_inner(),
            begun: begun.into_inner(),
            client: client.into_inner(),
        }
    }
}

fn status(code: u8) -> String {
    format!("{:?}", ExitCode::from(code))
}

#[test]
fn an_invocation_is_started_with_what_was_typed_and_its_status_is_ours() {
    let place = Place::new(&[]);
    let ran = place.run(
        &[
            "invoke",
            "./app.py",
            "-e",
            "{\"name\":\"Ada\"}",
            "--handler",
            "app.go",
            "--runtime",
            "python3.11",
            "--memory-size",
            "512",
            "--timeout",
            "30",
            "--ephemeral-storage",
            "1024",
            "--env",
            "STAGE=dev",
            "--network",
            "none",
            "--forward",
            "5432:15432",
            "--function-name",
            "hello",
            "--repeat",
            "3",
            "-o",
            "out.json",
            "--keep",
            "--color",
            "never",
            "-v",
        ],
        b"",
    );
    assert_eq!((ran.status, ran.out.as_str()), (status(7), ""), "{}", ran.err);
    let invoke = ran.started.unwrap();
    assert_eq!(&invoke.event[..], b"{\"name\":\"Ada\"}");
    assert_eq!(invoke.handler.as_deref(), Some("app.go"));
    assert_eq!((invoke.memory_mb, invoke.timeout.as_secs()), (512, 30));
    assert_eq!((invoke.ephemeral_storage_mb, invoke.repeat), (1_024, 3));
    assert_eq!(invoke.environment["STAGE"], "dev");
    assert_eq!((invoke.forwards[0].port, invoke.forwards[0].host_port), (5_432, 15_432));
    assert_eq!(invoke.output.unwrap(), place.root.path().join("out.json"));
    assert_eq!((invoke.keep, invoke.color), (Keep::Keep, Color::Never));
    assert_eq!(invoke.verbosity, Verbosity::Verbose);
}

#[test]
fn the_event_comes_from_flag_file_position_or_standard_input() {
    let place = Place::new(&[]);
    for (args, event) in [
        (&["invoke"][..], "{}"),
        (&["invoke", "."], "{}"),
        (&["invoke", ".", "-e", "event.json"], "{\"from\":\"file\"}"),
        (&["invoke", ".", "--event=-"], "typed"),
        (&["invoke", ".", "-e", "-5"], "-5"),
        (&["invoke", ".", "app.handler", "[1]"], "[1]"),
        (&["invoke", ".", "app.handler", "-"], "typed"),
    ] {
        let typed = if event == "typed" { " {\"a\": 1}\n" } else { "" };
        let ran = place.run(args, typed.as_bytes());
        let started = ran.started.unwrap_or_else(|| panic!("{args:?}: {}", ran.err));
        let event = if event == "typed" { typed } else { event };
        assert_eq!(&started.event[..], event.as_bytes(), "{args:?}");
    }
}

#[test]
fn bad_usage_ends_with_two_and_starts_nothing() {
    let place = Place::new(&[]);
    for (args, said) in [
        (&["invoke", "nope.py"][..], "error: no such file or directory: "),
        (&["invoke", "/"], "hint: / would be bound as /var/task"),
        (&["invoke", ".", "--memory-size", "64"], "error: --memory-size is 64, outside the limits"),
        (&["invoke", ".", "--timeout", "-1"], "error: --timeout is -1, outside the limits"),
        (&["invoke", ".", "-e", "{"], "and not a file either\nhint: give JSON in quotes"),
        (&["invoke", ".", "{\"a\":1}"], "error: HANDLER is `{\"a\":1}`, but it must be"),
        (&["invoke", ".", "--forward", "9001"], "the Runtime API listens there"),
        (&["invoke", ".", "--env", "_HANDLER=x"], "hint: --handler sets it"),
        (&["invoke", ".", "a.b", "--handler", "c.d"], "cannot be used with"),
        (&["invoke", ".", "-q", "-v"], "cannot be used with"),
        (&["invoke", ".", "--memory-sise", "1"], "--memory-size"),
        (&["invoke", ".", "a", "b", "c"], "unexpected argument 'c'"),
        (&["unvoke"], "unrecognized subcommand 'unvoke'"),
        (&["man", "nope"], "error: there is no command `nope`; there is invoke"),
        (&["completions", "cmd"], "invalid value 'cmd'"),
        (&[], "Usage: lambdabox"),
    ] {
        let ran = place.run(args, b"");
        assert!(ran.err.contains(said), "{args:?} said:\n{}", ran.err);
        assert_eq!((ran.status, ran.out), (status(2), String::new()), "{args:?}");
        assert!(ran.started.is_none());
    }
}

#[test]
fn every_problem_is_an_error_line_of_its_own() {
    let place = Place::new(&[]);
    let ran = place.run(&["invoke", ".", "--memory-size", "64", "--timeout", "0"], b"");
    assert_eq!(ran.err.matches("error: ").count(), 2, "{}", ran.err);
}

#[test]
fn notices_are_said_before_the_start_and_quiet_silences_them() {
    let env =
        [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK"), ("LAMBDABOX_NOPE", "1")];
    let place = Place::new(&env);
    let asked =
        ["invoke", ".", "--credentials", "env", "--env", "AWS_ENDPOINT_URL=http://localhost:4566"];
    let ran = place.run(&asked, b"");
    assert!(matches!(ran.started.unwrap().credentials.origin, CredentialsOrigin::Environment));
    assert_eq!(
        ran.err,
        "warning: LAMBDABOX_NOPE is not a variable of lambdabox\n\
         lambdabox: the function gets the keys of your environment: AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY\n\
         lambdabox: forwarding port 4566 to this host, because AWS_ENDPOINT_URL names loopback\n"
    );
    let quiet = place.run(&[&asked[..], &["-q"]].concat(), b"");
    assert_eq!(quiet.err, "warning: LAMBDABOX_NOPE is not a variable of lambdabox\n");
}

#[test]
fn errors_are_coloured_on_terminals_only() {
    for (env, args, device, colored) in [
        (&[][..], &["invoke", "nope.py"][..], Device::Terminal, true),
        (&[], &["invoke", "nope.py"], Device::Other, false),
        (&[("NO_COLOR", "1")], &["invoke", "nope.py"], Device::Terminal, false),
        (&[], &["invoke", "nope.py", "--color", "never"], Device::Terminal, false),
        (&[], &["invoke", "nope.py", "--color", "always"], Device::Other, true),
        (&[], &["invoke", "--nope"], Device::Terminal, true),
        (&[("LAMBDABOX_COLOR", "never")], &["invoke", "--nope"], Device::Terminal, false),
    ] {
        let ran = Place::new(env).run_on(args, &mut &b""[..], device);
        assert_eq!(ran.err.contains('\u{1b}'), colored, "{env:?} {args:?}: {}", ran.err);
    }
}

#[test]
fn the_configuration_in_effect_is_printed_and_nothing_runs() {
    let ran = Place::new(&[]).run(&["invoke", ".", "a.b", "--print-config"], b"");
    assert_eq!(ran.status, status(0));
    assert!(ran.out.starts_with("handler = \"a.b\"  # HANDLER\n"), "{}", ran.out);
    assert!(ran.started.is_none() && ran.err.is_empty());
}

#[test]
fn version_completions_and_manual_pages_go_to_standard_output() {
    let place = Place::new(&[]);
    let version = format!("lambdabox {}\n", env!("CARGO_PKG_VERSION"));
    for (args, part) in [
        (&["--version"][..], version.as_str()),
        (&["-V"], version.as_str()),
        (&["completions", "bash"], "complete -F _lambdabox"),
        (&["completions", "zsh"], "#compdef lambdabox"),
        (&["completions", "fish"], "none nat host"),
        (&["man"], ".TH lambdabox 1"),
        (&["man", "invoke"], "\\-\\-memory\\-size"),
        (&["help", "invoke"], "--memory-size"),
    ] {
        let ran = place.run(args, b"");
        assert_eq!((ran.status, ran.err.as_str()), (status(0), ""), "{args:?}");
        let flat = ran.out.replace("\\t''\n", " ");
        assert!(flat.contains(part), "{part} is missing in {args:?}:\n{}", ran.out);
    }
}

#[test]
fn help_names_every_flag_with_its_meaning_and_hides_what_is_hidden() {
    let ran = Place::new(&[]).run(&["invoke", "--help"], b"");
    for flag in [
        "-e, --event <JSON|FILE|->",
        "--client-context <JSON>",
        "--repeat <N>",
        "--handler <HANDLER>",
        "--runtime <RUNTIME>",
        "--function-name <NAME>",
        "--layer <DIR|ZIP>",
        "--venv <DIR>",
        "--sdk <WHETHER>",
        "--runtime-client <CLIENT>",
        "--build",
        "--build-cmd <CMD>",
        "--memory-size <MB>",
        "--timeout <SECONDS>",
        "--ephemeral-storage <MB>",
        "--cpu <HOW>",
        "--env <NAME=VALUE|NAME>",
        "--env-file <FILE>",
        "--env-vars <FILE.json>",
        "--region <REGION>",
        "--profile <NAME>",
        "--credentials <WHOSE>",
        "--network <PLACEMENT>",
        "--forward <PORT[:HOSTPORT]>",
        "-o, --output <FILE>",
        "--log-format <FORM>",
        "--print-config",
        "--keep",
        "--explain",
        "--dev-shm[=<WHETHER>]",
        "--data-dir <DIR>",
        "--async",
        "--endpoint-url <URL>",
        "--color <WHEN>",
        "-q, --quiet",
        "-v, --verbose",
        "-h, --help",
        "[PATH|NAME]",
        "[HANDLER]",
        "[EVENT]",
    ] {
        assert!(ran.out.contains(flag), "{flag} is missing in:\n{}", ran.out);
    }
    for heading in [
        "Event:",
        "Function:",
        "Limits:",
        "Variables of the function:",
        "AWS:",
        "Network:",
        "Output:",
        "Sandbox:",
        "Examples:",
        "Exit status:",
    ] {
        assert!(ran.out.contains(heading), "{heading} is missing");
    }
    assert!(ran.out.contains("--explain"));
    assert!(!ran.out.contains("--time-scale"));
    let words = "[possible values: none, nat, host]";
    assert!(ran.out.contains(words), "{}", ran.out);
}

#[test]
fn every_setting_has_its_flag() {
    let command = Cli::command();
    use Scope::{Both, Client, Function, Host};
    for (name, scopes) in [("invoke", &[Function, Both, Client][..]), ("serve", &[Host, Both])] {
        let subcommand = command.find_subcommand(name).unwrap();
        let mut flags: Vec<_> = subcommand.get_arguments().chain(command.get_arguments()).collect();
        flags.retain(|arg| arg.get_long().is_some());
        for setting in crate::config::Setting::all().filter(|s| scopes.contains(&s.scope())) {
            let long = setting.flag().trim_start_matches("--");
            let flag = flags.iter().any(|arg| arg.get_long() == Some(long));
            assert!(flag, "{name} {}", setting.flag());
        }
    }
    Cli::command().debug_assert();
}

#[test]
fn the_doctor_is_asked_with_form_colour_and_verbosity() {
    let place = Place::new(&[("NO_COLOR", "1")]);
    let ran = place.run(&["doctor"], b"");
    assert_eq!((ran.status, ran.out.as_str()), (status(7), ""), "{}", ran.err);
    let asked = ran.doctor.unwrap();
    assert_eq!((asked.root.to_str(), asked.form), (Some("/"), app::Form::Text));
    assert_eq!((asked.color, asked.verbosity), (Color::Never, Verbosity::Normal));
    let asked = place.run(&["doctor", "--json", "--color", "always", "-q"], b"").doctor.unwrap();
    assert_eq!(asked.form, app::Form::Json);
    assert_eq!((asked.color, asked.verbosity), (Color::Always, Verbosity::Quiet));
}

#[test]
fn the_doctor_refuses_a_colour_that_is_none() {
    let ran = Place::new(&[]).run(&["doctor", "--color", "mauve"], b"");
    assert_eq!(ran.status, status(2));
    assert!(ran.doctor.is_none() && ran.err.contains("mauve"), "{}", ran.err);
}

#[test]
fn a_host_is_started_with_what_was_typed_by_either_name() {
    let place = Place::new(&[("LAMBDABOX_CONFIG", "host.toml")]);
    fs::write(place.root.path().join("host.toml"), "concurrency = 7").unwrap();
    for name in ["serve", "up"] {
        let allowed = place.root.path().display().to_string();
        let ran = place.run(&[name, "--listen", "127.0.0.1:0", "--allow-code", &allowed], b"");
        assert_eq!(ran.status, status(7), "{}", ran.err);
        let serve = ran.served.unwrap();
        assert_eq!((serve.listen.port(), serve.concurrency), (0, 7));
        assert_eq!(serve.allow_code, [place.root.path().canonicalize().unwrap()]);
    }
    let printed = place.run(&["serve", "--print-config"], b"");
    assert!(printed.out.contains("concurrency = 7  # ") && printed.served.is_none());
    let refused = place.run(&["serve", "--listen", "0.0.0.0:9000"], b"");
    assert_eq!(refused.status, status(2));
    assert!(refused.err.contains("hint: signatures are not verified yet"), "{}", refused.err);
}

#[test]
fn runtimes_are_listed_as_text_or_json() {
    let place = Place::new(&[]);
    let form = |arguments: &[&str]| place.run(arguments, b"").runtimes.unwrap().form;
    assert_eq!(form(&["runtimes"]), app::Form::Text);
    assert_eq!(form(&["runtimes", "--json"]), app::Form::Json);
}

#[test]
fn a_build_is_asked_for_by_its_command_or_before_an_invocation() {
    let place = Place::new(&[]);
    let cwd = place.root.path();
    let ran = place.run(&["build", ".", "--output", "fn.zip", "--runtime", "python3.12"], b"");
    let asked = ran.built.unwrap_or_else(|| panic!("{}", ran.err));
    assert_eq!((asked.runtime.as_deref(), asked.path.as_path()), (Some("python3.12"), cwd));
    let build = asked.build.unwrap();
    assert_eq!((build.output, build.command), (Some(cwd.join("fn.zip")), None));
    for (args, command) in [
        (&["invoke", ".", "--build"][..], None),
        (&["invoke", ".", "--build-cmd", "make"], Some("make".to_owned())),
    ] {
        let build = place.run(args, b"").started.unwrap().build.unwrap();
        assert_eq!((build.command, build.output), (command, None));
    }
    assert!(place.run(&["invoke", "."], b"").started.unwrap().build.is_none());
}

#[test]
fn a_template_goes_where_it_was_said_or_into_a_directory_of_its_name() {
    let place = Place::new(&[]);
    for (args, directory) in
        [(&["init", "hello-go"][..], "hello-go"), (&["init", "hello-go", "fn"], "fn")]
    {
        let directory = place.root.path().join(directory);
        let verbosity = Verbosity::Normal;
        let asked = app::Init::Write { template: "hello-go".to_owned(), directory, verbosity };
        assert_eq!(place.run(args, b"").begun, Some(asked));
    }
    assert_eq!(place.run(&["init", "--list"], b"").begun, Some(app::Init::List));
    let ran = place.run(&["init"], b"");
    assert!(ran.begun.is_none() && ran.err.contains("<TEMPLATE>"), "{}", ran.err);
}
