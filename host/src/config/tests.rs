//! The whole way from what was said to what will be done, one bad input at a time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::model::{LogFormat, Network};

/// A caller without a home, of an ordinary user.
pub(crate) fn caller(cwd: &str, env: &[(&str, &str)]) -> Caller {
    let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Caller { env, cwd: PathBuf::from(cwd), home: None, uid: 1_000 }
}

/// A function's directory and a home beside it.
struct Project {
    root: tempfile::TempDir,
    caller: Caller,
}

impl Project {
    fn new(env: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["home", "fn", "layer"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("fn/app.py"), "").unwrap();
        let mut caller = caller(root.path().join("fn").to_str().unwrap(), env);
        caller.home = Some(root.path().join("home"));
        Self { root, caller }
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.root.path().join(name), text).unwrap();
        self
    }

    fn asked(&self, settings: &[(Setting, &str)]) -> Asked {
        let mut raw = Raw::default();
        for (setting, text) in settings {
            raw.set_flag(*setting, Some((*text).to_owned()));
        }
        Asked {
            strangers_file: StrangersFile::Refused,
            path: Some("app.py".into()),
            settings: raw,
            env: Vec::new(),
            repeat: None,
            output: None,
            keep: Keep::Remove,
            verbosity: Verbosity::Normal,
            explain: Explain::Run,
            isolation: None,
            build: None,
        }
    }

    fn resolve(&self, asked: Asked) -> Result<Resolved, Vec<String>> {
        let said = |problems: Problems| problems.0.iter().map(ToString::to_string).collect();
        super::resolve(asked, &self.caller, &mut std::io::empty()).map_err(said)
    }

    fn of(&self, settings: &[(Setting, &str)]) -> Result<Resolved, Vec<String>> {
        self.resolve(self.asked(settings))
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }
}

#[test]
fn nothing_said_means_awss_defaults() {
    let project = Project::new(&[]);
    let invoke = project.of(&[]).unwrap().invoke;
    assert_eq!(invoke.path, project.root.path().join("fn/app.py"));
    assert_eq!((invoke.memory_mb, invoke.ephemeral_storage_mb), (128, 512));
    assert_eq!(invoke.timeout, Duration::from_secs(3));
    assert_eq!((invoke.handler, invoke.runtime, invoke.function_name), (None, None, None));
    assert_eq!((invoke.network, invoke.region.as_str()), (None, "us-east-1"));
    assert_eq!(invoke.credentials, Credentials::placeholder());
    assert!(invoke.environment.is_empty() && invoke.layers.is_empty());
    assert_eq!((&invoke.event[..], invoke.repeat), (&b"{}"[..], 1));
    assert_eq!((invoke.cpu, invoke.sdk), (Cpu::Proportional, Sdk::Auto));
    assert_eq!(invoke.data_dir, project.root.path().join("home/.local/share/lambdabox"));
}

#[test]
fn many_at_once_are_logged_in_json_and_a_tenant_has_the_models_characters() {
    let project = Project::new(&[]);
    let invoke = project.of(&[]).unwrap().invoke;
    assert_eq!((invoke.max_concurrency, invoke.tenant_id), (None, None));
    let many = (Setting::MaxConcurrency, "3");
    let invoke = project.of(&[many, (Setting::TenantId, "a b")]).unwrap().invoke;
    assert_eq!((invoke.max_concurrency, invoke.log_format), (Some(3), LogFormat::Json));
    assert_eq!(invoke.tenant_id.as_deref(), Some("a b"));
    for (settings, said) in [
        (vec![many, (Setting::LogFormat, "text")], "contradicts --max-concurrency"),
        (vec![(Setting::MaxConcurrency, "1601")], "outside the limits of 1 to 1600"),
        (vec![(Setting::TenantId, "a;b")], "1 to 256 letters"),
    ] {
        let refused = project.of(&settings).unwrap_err().join("\n");
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn each_bad_setting_is_refused_with_place_value_and_limit() {
    let project = Project::new(&[]);
    project.write("fn/plain", "");
    let memory = "outside the limits of 128 to 10240 MB";
    let storage = "outside the limits of 512 to 10240 MB";
    let time = "outside the limits of 1 to 900 seconds";
    let name = "it must be 1 to 64 letters, digits, `-` and `_`";
    let long = "x".repeat(65);
    for (setting, value, said) in [
        (Setting::MemorySize, "64", format!("--memory-size is 64, {memory}")),
        (Setting::MemorySize, "99999", format!("--memory-size is 99999, {memory}")),
        (Setting::Timeout, "0", format!("--timeout is 0, {time}")),
        (Setting::Timeout, "901", format!("--timeout is 901, {time}")),
        (
            Setting::Timeout,
            "3s",
            "--timeout is `3s`, which is not a whole number (1 to 900 seconds)".into(),
        ),
        (Setting::EphemeralStorage, "511", format!("--ephemeral-storage is 511, {storage}")),
        (Setting::EphemeralStorage, "10241", format!("--ephemeral-storage is 10241, {storage}")),
        (Setting::Network, "vpc", "--network is `vpc`; it can be none, nat, host".into()),
        (Setting::LogFormat, "xml", "--log-format is `xml`; it can be text, json".into()),
        (Setting::Cpu, "2", "--cpu is `2`; it can be proportional, unlimited".into()),
        (Setting::Sdk, "on", "--sdk is `on`; it can be auto, off".into()),
        (
            Setting::RuntimeClient,
            "x",
            "--runtime-client is `x`; it can be managed, official".into(),
        ),
        (Setting::RuntimeCompat, "x", "--runtime-compat is `x`; it can be exact, near".into()),
        (Setting::Credentials, "x", "--credentials is `x`; it can be placeholder, env".into()),
        (Setting::Color, "x", "--color is `x`; it can be auto, always, never".into()),
        (Setting::FunctionName, "a b", format!("--function-name is `a b`, but {name}")),
        (Setting::FunctionName, &long, format!("--function-name is `{long}`, but {name}")),
        (
            Setting::Region,
            "us east",
            "--region is `us east`, but it must be a region such as us-east-1".into(),
        ),
        (
            Setting::Layers,
            "nope",
            format!("--layer: no such file or directory: {}", project.path("fn/nope")),
        ),
        (Setting::Layers, "/dev/null", "--layer: /dev/null is not a directory or a zip".into()),
        (
            Setting::Venv,
            ".",
            format!(
                "--venv: {} is not a virtual environment (it has no pyvenv.cfg)",
                project.path("fn/.")
            ),
        ),
        (
            Setting::EnvFile,
            "nope",
            format!("--env-file: no such file or directory: {}", project.path("fn/nope")),
        ),
    ] {
        assert_eq!(project.of(&[(setting, value)]).unwrap_err(), [said]);
    }
    for handler in ["", "a b", "{\"a\":1}", &"x".repeat(129)] {
        let said = project.of(&[(Setting::Handler, handler)]).unwrap_err();
        assert!(said[0].contains("it must be 1 to 128 characters"), "{said:?}");
    }
}

#[test]
fn every_problem_is_reported_together() {
    let project = Project::new(&[("LAMBDABOX_TIMEOUT", "0")]);
    project.write("fn/lambdabox.toml", "ephemeral_storage = 1\nzebra = 1\n");
    let mut asked = project.asked(&[(Setting::MemorySize, "64"), (Setting::Event, "{")]);
    asked.env = vec!["_HANDLER=x".into(), "A=b".into()];
    asked.repeat = Some("0".into());
    asked.output = Some("nowhere/out.json".into());
    let said = project.resolve(asked).unwrap_err().join("\n");
    for part in [
        "lambdabox.toml:2: unknown key `zebra`",
        "_HANDLER (--env) is reserved",
        "the name `A` of an environment variable",
        "--memory-size is 64",
        "LAMBDABOX_TIMEOUT is 0",
        "lambdabox.toml:1) is 1, outside the limits of 512",
        "--repeat is 0, outside the limits of 1 to",
        "-o: cannot write",
        "--event is not JSON (line 1, column 1",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    assert_eq!(said.lines().count(), 9, "{said}");
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let project = Project::new(&[("LAMBDABOX_TIMEOUT", "20"), ("LAMBDABOX_MEMORY_SIZE", "200")]);
    project.write(
        "fn/lambdabox.toml",
        "timeout = 30\nmemory_size = 300\nlog_format = 'JSON'\nnetwork = 'none'\ndev_shm = true\n",
    );
    let invoke = project.of(&[(Setting::MemorySize, "129")]).unwrap().invoke;
    assert_eq!((invoke.memory_mb, invoke.timeout.as_secs()), (129, 20));
    assert_eq!((invoke.log_format, invoke.network), (LogFormat::Json, Some(Network::None)));
    assert_eq!((invoke.dev_shm, invoke.ephemeral_storage_mb), (DevShm::Present, 512));
}

#[test]
fn paths_in_the_file_start_from_the_file_and_in_flags_from_here() {
    let project = Project::new(&[]);
    project.write("lambdabox.toml", "layers = ['layer']\nevent = 'e.json'\nenv_file = 'x.env'");
    project.write("e.json", "{\"a\":1}").write("x.env", "STAGE=dev");
    let resolved = project.of(&[]).unwrap();
    let canonical = project.root.path().canonicalize().unwrap();
    assert_eq!(resolved.invoke.layers, [canonical.join("layer")]);
    assert_eq!(&resolved.invoke.event[..], b"{\"a\":1}");
    assert_eq!(resolved.invoke.environment["STAGE"], "dev");
    assert!(resolved.notices[0].text.starts_with("settings of "), "a file further up is said");
    let invoke = project.of(&[(Setting::Layers, "../layer")]).unwrap().invoke;
    assert_eq!(invoke.layers, [project.root.path().join("fn/../layer")]);
}

#[test]
fn a_sixth_layer_is_refused() {
    let project = Project::new(&[]);
    let mut asked = project.asked(&[]);
    asked.settings.set_flags(Setting::Layers, vec!["../layer".into(); 6]);
    assert_eq!(project.resolve(asked).unwrap_err(), ["6 layers are more than Lambda's limit of 5"]);
    let mut asked = project.asked(&[]);
    asked.settings.set_flags(Setting::Layers, vec!["../layer".into(); 5]);
    assert_eq!(project.resolve(asked).unwrap().invoke.layers.len(), 5);
}

#[test]
fn an_output_that_cannot_be_written_is_known_before_the_function_runs() {
    let project = Project::new(&[]);
    for (output, said) in [
        ("new.json", None),
        ("app.py", None),
        ("/dev/null", None),
        ("-", None),
        (".", Some("-o: cannot write")),
        ("nowhere/out.json", Some("-o: cannot write")),
        ("app.py/out.json", Some("-o: cannot write")),
    ] {
        let asked = Asked { output: Some(output.into()), ..project.asked(&[]) };
        match (project.resolve(asked), said) {
            (Ok(resolved), None) => {
                assert_eq!(resolved.invoke.output.is_none(), output == "-");
            }
            (Err(problems), Some(said)) => assert!(problems[0].starts_with(said), "{problems:?}"),
            (got, said) => panic!("{output}: {got:?} instead of {said:?}"),
        }
    }
}

#[test]
fn the_region_is_the_first_that_anyone_names() {
    let both = [("AWS_REGION", "r-1"), ("AWS_DEFAULT_REGION", "r-2")];
    for (env, flag, function, region) in [
        (&both[..], Some("r-0"), None, "r-0"),
        (&both[..], None, Some("AWS_REGION=r-9"), "r-9"),
        (&both[..], None, Some("AWS_DEFAULT_REGION=r-8"), "r-8"),
        (&both[..], Some("r-0"), Some("AWS_REGION=r-9"), "r-0"),
        (&both[..], None, None, "r-1"),
        (&both[1..], None, None, "r-2"),
        (&[], None, None, "us-east-1"),
    ] {
        let project = Project::new(env);
        let mut asked = project.asked(&[]);
        asked.settings.set_flag(Setting::Region, flag.map(str::to_owned));
        asked.env.extend(function.map(str::to_owned));
        assert_eq!(project.resolve(asked).unwrap().invoke.region, region);
    }
}

#[test]
fn keys_of_two_places_contradict_each_other() {
    let keys = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK")];
    let project = Project::new(&keys);
    let mut asked = project.asked(&[(Setting::Credentials, "env")]);
    asked.env = vec!["AWS_SESSION_TOKEN=x".into()];
    let said = project.resolve(asked).unwrap_err();
    assert_eq!(said, ["AWS_SESSION_TOKEN (--env) contradicts --credentials env"]);
    let mut asked = project.asked(&[]);
    asked.env = vec!["AWS_ACCESS_KEY_ID".into()];
    let invoke = project.resolve(asked).unwrap().invoke;
    assert_eq!(invoke.environment["AWS_ACCESS_KEY_ID"], "AK", "key variables are accepted");
}

#[test]
fn nothing_of_the_callers_environment_comes_along() {
    let project = Project::new(&[
        ("SECRET", "x"),
        ("AWS_PROFILE", "x"),
        ("AWS_ENDPOINT_URL", "http://localhost:1"),
    ]);
    project.write("fn/.env", "LEAKED=1");
    let invoke = project.of(&[]).unwrap().invoke;
    assert!(invoke.environment.is_empty() && invoke.forwards.is_empty());
    assert_eq!(invoke.credentials, Credentials::placeholder());
}

#[test]
fn no_color_is_honoured_and_a_flag_is_stronger() {
    for (env, flag, color) in [
        (&[][..], None, Color::Auto),
        (&[("NO_COLOR", "1")][..], None, Color::Never),
        (&[("NO_COLOR", "")][..], None, Color::Auto),
        (&[("TERM", "dumb")][..], None, Color::Never),
        (&[("NO_COLOR", "1")][..], Some("always"), Color::Always),
        (&[("LAMBDABOX_COLOR", "never")][..], None, Color::Never),
    ] {
        let project = Project::new(env);
        let mut asked = project.asked(&[]);
        asked.settings.set_flag(Setting::Color, flag.map(str::to_owned));
        assert_eq!(project.resolve(asked).unwrap().invoke.color, color);
    }
}

#[test]
fn state_is_kept_where_each_user_may() {
    let project = Project::new(&[("XDG_DATA_HOME", "/data")]);
    assert_eq!(project.of(&[]).unwrap().invoke.data_dir, Path::new("/data/lambdabox"));
    let mut project = Project::new(&[]);
    project.caller.uid = 0;
    assert_eq!(project.of(&[]).unwrap().invoke.data_dir, Path::new("/var/lib/lambdabox"));
    project.caller.env.insert("LAMBDABOX_DATA_DIR".into(), "here".into());
    assert_eq!(project.of(&[]).unwrap().invoke.data_dir, project.root.path().join("fn/here"));
    project.caller = Caller { home: None, ..caller(&project.path("fn"), &[]) };
    let said = project.of(&[]).unwrap_err();
    assert!(said[0].starts_with("no directory for lambdabox's data is known"), "{said:?}");
}

#[test]
fn the_printed_configuration_tells_where_each_value_came_from_and_can_be_read_again() {
    let project = Project::new(&[("LAMBDABOX_TIMEOUT", "20"), ("AWS_REGION", "eu-west-1")]);
    project.write(
        "fn/lambdabox.toml",
        "forwards = [8000]\nlayers = ['../layer']\n[env]\nQUOTE = 'a\"b\\n'\n",
    );
    let mut asked = project.asked(&[(Setting::MemorySize, "512")]);
    asked.env = vec!["AWS_SECRET_ACCESS_KEY=hush".into(), "LINES=a\nb".into()];
    let printed = project.resolve(asked).unwrap().print_config();
    let file = project.root.path().canonicalize().unwrap().join("fn/lambdabox.toml");
    let file = file.display();
    for line in [
        "# handler is not set: found in the package".to_owned(),
        "memory_size = 512  # --memory-size".into(),
        "timeout = 20  # LAMBDABOX_TIMEOUT".into(),
        "ephemeral_storage = 512  # default".into(),
        "region = \"eu-west-1\"  # AWS_REGION".into(),
        format!("forwards = [\"8000\"]  # {file}:1"),
        "# AWS_SECRET_ACCESS_KEY is set and not shown  # --env".into(),
        "LINES = \"a\\nb\"  # --env".into(),
        format!("QUOTE = \"a\\\"b\\\\n\"  # {file}:4"),
    ] {
        assert!(printed.lines().any(|l| l == line), "{line} is missing in:\n{printed}");
    }
    assert!(!printed.contains("hush"));
    let mut problems = Vec::new();
    let again =
        file::read(Path::new("/x/lambdabox.toml"), &printed, Scope::Function, &mut problems);
    assert!(problems.is_empty(), "{problems:?}\n{printed}");
    assert_eq!(again.text(Setting::MemorySize).unwrap().0, "512");
    assert_eq!(again.env.len(), 2);
}

#[test]
fn standard_input_is_not_read_for_a_call_that_cannot_be_made() {
    struct Untouched;
    impl std::io::Read for Untouched {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("standard input was read")
        }
    }
    let project = Project::new(&[]);
    let asked = project.asked(&[(Setting::Event, "-"), (Setting::Timeout, "0")]);
    let problems = super::resolve(asked, &project.caller, &mut Untouched).unwrap_err();
    assert_eq!(problems.0.len(), 1);
}
