//! How the Python loop starts: lean, yet with everything a customer may rely on.

use serde_json::json;

use crate::harness::{Function, invoke};

#[test]
fn nothing_heavy_is_loaded_before_the_handler() {
    let function = Function::python(
        "import sys
HEAVY = ('http.client', 're', 'email', 'urllib.request', 'ssl', 'asyncio', 'inspect', 'typing')
LOADED = [name for name in HEAVY if name in sys.modules]
def lambda_handler(event, context):
    return [LOADED, sys.flags.isolated, sys.flags.no_site]
",
    );
    assert_eq!(invoke(&function).run().answered().json(), json!([[], 1, 1]));
}

#[test]
fn the_path_is_awss() {
    let function = Function::python("import sys\ndef lambda_handler(e, c):\n    return sys.path\n");
    let run = invoke(&function).run().answered();
    let path: Vec<String> = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(path[0], "/var/task", "{path:?}");
    let at = |part: &str| path.iter().position(|entry| entry == part);
    assert!(at("/opt/python").is_some(), "{path:?}");
    assert!(at("/opt/python") < at("/var/runtime").or(Some(usize::MAX)), "{path:?}");
}

#[test]
fn exit_and_quit_exist() {
    let function = Function::python("def lambda_handler(event, context):\n    exit(5)\n");
    let run = invoke(&function).run().failed_with("Runtime.ExitError");
    assert!(run.text().contains("exit status 5"), "{}", run.text());
    let function = Function::python(
        "def lambda_handler(e, c):\n    return [callable(quit), callable(exit)]\n",
    );
    assert_eq!(invoke(&function).run().answered().json(), json!([true, true]));
}

#[test]
fn the_customers_python_variables_act_as_on_aws() {
    let function = Function::python(
        "import sys, warnings
def lambda_handler(event, context):
    return [sys.dont_write_bytecode, sys.flags.isolated, sys.flags.optimize,
            sys.flags.dev_mode, sys.flags.hash_randomization, '/var/task/lib' in sys.path,
            hash('fixed')]
",
    );
    let with = |variables: &[&str]| {
        let mut command = invoke(&function);
        for variable in variables {
            command = command.args(["--env", variable]);
        }
        command.run().answered().json()
    };
    assert_eq!(with(&["PYTHONOPTIMIZE=1"])[2], 1);
    assert_eq!(with(&["PYTHONOPTIMIZE=1"])[1], 0, "then without -I");
    assert_eq!(with(&["PYTHONDEVMODE=1"])[3], true);
    assert_eq!(with(&["PYTHONPATH=/var/task/lib"])[5], true);
    assert_eq!(with(&["PYTHONHASHSEED=0"])[4], 0);
    assert_eq!(with(&["PYTHONHASHSEED=0"])[6], with(&["PYTHONHASHSEED=0"])[6]);
    assert_eq!(with(&["PYTHONDONTWRITEBYTECODE=1"])[0], true);
}

const WRAPPED: &str = "import os, sys
def lambda_handler(event, context):
    return [os.environ.get('WRAPPED'), sys.flags.isolated, sys.flags.no_site]
";

#[test]
fn an_exec_wrapper_starts_the_interpreter() {
    let script = "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n";
    let function = Function::python(WRAPPED).executable("wrapper", script);
    let run = invoke(&function)
        .args(["--env", "AWS_LAMBDA_EXEC_WRAPPER=/var/task/wrapper"])
        .run()
        .answered();
    assert_eq!(run.json(), json!(["yes", 0, 0]), "and then without -I -S");
}

#[test]
fn a_wrapper_from_a_layer_may_add_arguments_for_the_interpreter() {
    let script =
        "#!/bin/sh\ninterpreter=\"$1\"\nshift\nexec \"$interpreter\" -X importtime \"$@\"\n";
    let layer = Function::empty().executable("wrapper", script);
    let run = invoke(&Function::python(WRAPPED))
        .args(["--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/wrapper", "--layer"])
        .args([layer.path()])
        .run()
        .answered();
    assert!(run.stderr.contains("import time:"), "{}", run.stderr);
}

#[test]
fn a_missing_wrapper_is_exit_status_127() {
    let run = invoke(&Function::python(WRAPPED))
        .args(["--env", "AWS_LAMBDA_EXEC_WRAPPER=/var/task/absent"])
        .run()
        .failed_with("Runtime.ExitError");
    assert!(run.text().contains("exit status 127"), "{}", run.text());
    run.said(&["/var/task/absent: does not exist"]);
}

#[test]
fn a_wrapper_that_is_not_executable_is_exit_status_126() {
    let function = Function::python(WRAPPED).file("wrapper", "#!/bin/sh\nexec \"$@\"\n");
    let run = invoke(&function)
        .args(["--env", "AWS_LAMBDA_EXEC_WRAPPER=/var/task/wrapper"])
        .run()
        .failed_with("Runtime.ExitError");
    assert!(run.text().contains("exit status 126"), "{}", run.text());
    run.said(&["/var/task/wrapper: is not an executable"]);
}

#[test]
fn a_wrapper_is_ignored_for_a_custom_runtime() {
    let function = Function::bootstrap("#!/bin/sh\necho \"started, wrapped: $WRAPPED.\"\nexit 9\n")
        .executable("wrapper", "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n");
    let run = invoke(&function)
        .args(["--env", "AWS_LAMBDA_EXEC_WRAPPER=/var/task/wrapper"])
        .run()
        .failed_with("Runtime.ExitError");
    assert!(run.stderr.contains("started, wrapped: ."), "{}", run.stderr);
}
