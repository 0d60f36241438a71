//! Programs that cannot begin: the caller gets AWS's error, the operator the cause and what mends it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{Function, Host, Invoke, Run, invoke};

/// Ends a run in which the package's own program could not begin.
fn told(function: &Function, error_type: &str, causes: &[&str]) -> Run {
    let run = invoke(function).args(["--runtime", "provided.al2023", "--timeout", "20"]).run();
    run.failed_with(error_type).said(causes)
}

/// The first bytes of a program for a processor: an ELF header and nothing else.
fn header_for(machine: u16) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16] = 2;
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes
}

/// `EM_AARCH64` and `EM_X86_64`.
fn another_processor() -> (u16, &'static str) {
    match std::env::consts::ARCH {
        "x86_64" => (183, "aarch64"),
        _ => (62, "x86_64"),
    }
}

#[test]
fn a_program_for_another_processor() {
    let (machine, name) = another_processor();
    let function = Function::empty().executable("bootstrap", header_for(machine));
    told(
        &function,
        "Runtime.InvalidEntrypoint",
        &["is built for", name, "this machine is", "GOARCH="],
    );
}

#[test]
fn a_script_with_windows_line_endings() {
    let function = Function::bootstrap("#!/bin/sh\r\nexit 0\r\n");
    told(&function, "Runtime.InvalidEntrypoint", &["has Windows line endings", "sed -i"]);
}

#[test]
fn a_wrapper_that_starts_nothing_is_named_and_not_the_interpreter() {
    let function = Function::python("def lambda_handler(event, context): return 1\n")
        .executable("wrapper", "#!/bin/sh\necho nothing to start\nexit 5\n");
    let wrapper = "AWS_LAMBDA_EXEC_WRAPPER=/var/task/wrapper";
    let run = invoke(&function).args(["--env", wrapper]).run().failed_with("Runtime.ExitError");
    let run = run.said(&["/var/task/wrapper (AWS_LAMBDA_EXEC_WRAPPER)", "exec \"$@\""]);
    assert!(!run.stderr.contains("does not run by itself"), "{}", run.stderr);
}

#[test]
fn a_script_whose_interpreter_is_not_there() {
    let function = Function::bootstrap("#!/opt/no/such/shell\n");
    let said = ["asks in its first line for /opt/no/such/shell", "bring it along"];
    told(&function, "Runtime.InvalidEntrypoint", &said);
    let function = Function::bootstrap("#!/usr/bin/env no-such-shell\n");
    told(&function, "Runtime.ExitError", &["asks in its first line for no-such-shell"]);
}

#[test]
fn neither_a_program_nor_a_script() {
    let function = Function::bootstrap("print(1)\n");
    told(&function, "Runtime.InvalidEntrypoint", &["neither a program for Linux nor a script"]);
}

#[test]
fn a_bootstrap_that_ends_at_once() {
    let function = Function::bootstrap("#!/bin/sh\nexit 0\n");
    let run = told(&function, "Runtime.ExitError", &["ended before it asked for an event"]);
    let times = run.stderr.matches("ended before it asked for an event").count();
    assert_eq!(times, 1, "said once:\n{}", run.stderr);
}

#[test]
fn no_bootstrap_or_one_that_is_not_executable() {
    let function = Function::empty().file("readme.txt", "");
    told(&function, "Runtime.InvalidEntrypoint", &["there is no bootstrap in"]);
    let function = Function::empty().file("bootstrap", "#!/bin/sh\n");
    let run = invoke(&function).args(["--runtime", "provided.al2023"]).run();
    run.refused(&["it is not executable", "chmod +x"]);
}

fn compiled(function: &Function, arguments: &[&str]) -> bool {
    let run = Command::new("cc").args(arguments).current_dir(function.path()).output();
    let Ok(output) = run else { return false };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

#[test]
fn a_shared_library_that_is_missing_is_named_and_found_where_the_hint_says() {
    let function = Function::empty()
        .file("part.c", "int part(void) { return 0; }\n")
        .file("main.c", "int part(void);\nint main(void) { return part(); }\n");
    let library =
        ["-shared", "-fPIC", "-o", "libe2epart.so.1", "-Wl,-soname,libe2epart.so.1", "part.c"];
    if !compiled(&function, &library) {
        skip!("no C compiler");
    }
    assert!(compiled(&function, &["-o", "bootstrap", "main.c", "./libe2epart.so.1"]));
    fs::create_dir(function.at("lib")).unwrap();
    fs::rename(function.at("libe2epart.so.1"), function.at("lib/libe2epart.so.1")).unwrap();
    // Where the hint sends it, it is found: then only the program itself is to blame.
    told(&function, "Runtime.ExitError", &["ended before it asked for an event"]);
    fs::remove_file(function.at("lib/libe2epart.so.1")).unwrap();
    let said = ["needs libe2epart.so.1", "neither in the package, nor in a layer", "lib/"];
    told(&function, "Runtime.ExitError", &said);
}

#[test]
fn a_c_library_that_is_too_old_is_told_with_both_versions() {
    let function = Function::empty()
        .file("part.map", "GLIBC_9.9 { global: part; };\n")
        .file("part.c", "int part(void) { return 0; }\n")
        .file("main.c", "int part(void);\nint main(void) { return part(); }\n");
    // A program that asks a library called as the C library for a version that no C library has yet.
    let library = [
        "-shared",
        "-fPIC",
        "-nostdlib",
        "-o",
        "libpart.so",
        "-Wl,-soname,libc.so.6",
        "-Wl,--version-script=part.map",
        "part.c",
    ];
    if !compiled(&function, &library) {
        skip!("no C compiler");
    }
    let main = [
        "-nostartfiles",
        "-Wl,-e,main",
        "-o",
        "bootstrap",
        "main.c",
        "./libpart.so",
        "-nodefaultlibs",
    ];
    assert!(compiled(&function, &main));
    fs::remove_file(function.at("libpart.so")).unwrap();
    told(&function, "Runtime.ExitError", &["glibc 9.9 or newer", "this machine has 2."]);
}

#[test]
fn a_package_of_another_language_is_told_with_its_runtime() {
    let function = Function::empty().file("index.js", "exports.handler = async () => 1;\n");
    let python = ["--runtime", "python3.11"];
    let run = invoke(&function).args(python).run();
    run.refused(&["index.js is Node.js's, which --runtime nodejs runs"]);
    let run = invoke(&function).args(python).args(["--handler", "index.handler"]).run();
    let run = run.failed_with("Runtime.ImportModuleError");
    run.said(&["there is no index.py in", "but index.js is Node.js's"]);
}

fn java(function: &Function) -> Invoke {
    invoke(function).args(["--memory-size", "512", "--timeout", "60"])
}

#[test]
fn a_class_that_is_not_in_the_package_is_told_with_where_it_is() {
    let source = "package com.example;\npublic class Hello {\n    public String greet(String name) {\n        \
                  return name;\n    }\n}\n";
    let function = Function::empty().file("com/example/Hello.java", source);
    let path = function.at("com/example/Hello.java");
    let Ok(output) =
        Command::new("javac").args(["--release", "8", "-Xlint:-options"]).arg(&path).output()
    else {
        skip!("no JDK on this machine");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = java(&function).args(["--runtime", "java", "--handler", "Hello::greet"]).run();
    let run = run.failed_with("java.lang.ClassNotFoundException");
    run.said(&["there is no class Hello in", "pass --handler com.example.Hello::greet"]);
    let right = ["--runtime", "java", "--handler", "com.example.Hello::greet"];
    assert_eq!(java(&function).args(right).event("\"x\"").run().answered().json(), json!("x"));
}

/// A search path that holds nothing but a `python3` with this text.
fn with_python(script: &str) -> Run {
    let tools = Function::empty().executable("python3", script);
    let function = Function::python("def lambda_handler(event, context):\n    return 1\n");
    invoke(&function)
        .env("PATH", tools.path())
        .env("HOME", "/nonexistent")
        .without_env("PYENV_ROOT")
        .run()
}

#[test]
fn an_interpreter_that_is_found_and_broken_is_named_with_what_is_wrong() {
    if Path::new("/opt/hostedtoolcache/Python").exists() {
        skip!("this machine has Pythons that are found without a search path");
    }
    for (script, said) in [
        ("#!/bin/sh\nexit 3\n", "is no Python 3 that works (exit status: 3)"),
        ("#!/bin/sh\necho I am a teapot\n", "gave an answer that is not Python's"),
        ("#!/bin/sh\nexec /bin/sleep 600\n", "did not answer within"),
        ("#!/no/such/interpreter\n", "cannot be run"),
    ] {
        with_python(script).refused(&[
            "find a Python interpreter",
            said,
            "to get one: `apt-get install",
        ]);
    }
}

#[test]
fn a_deployed_functions_operator_is_told_as_well() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    host.python(
        r#"
import zipfile
info = zipfile.ZipInfo("bootstrap")
info.external_attr = 0o100755 << 16
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as archive:
    archive.writestr(info, "\x23!/bin/sh\r\nexit 0\r\n")
create(c, "windows", Runtime="provided.al2023", Handler="any", Code={"ZipFile": buffer.getvalue()})
failed = c.invoke(FunctionName="windows", Payload=b"{}")
assert answer(failed)["errorType"] == "Runtime.InvalidEntrypoint", failed
"#,
    );
    host.wait_for_log("has Windows line endings");
}
