//! What only Node.js has: module kinds, callbacks, interpreter options, its versions.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Function, Invoke, Run, full_cpu_if_slow, invoke, lambdabox, node_tree};

const HELLO: &str = "export const handler = async (event) => `hello ${event.name}`;\n";

fn node(source: &str) -> Function {
    Function::empty().file("index.js", source)
}

/// `PATH` with this version first.
fn path_with(tree: Option<PathBuf>) -> OsString {
    let mut path: Vec<OsString> = tree.into_iter().map(OsString::from).collect();
    path.extend(std::env::var_os("PATH"));
    path.join(OsStr::new(":"))
}

/// A run on a version of Node.js, brought here if need be; skips the test where it cannot be had.
macro_rules! on {
    ($runtime:expr, $run:expr) => {
        match node_tree($runtime) {
            Ok(tree) => $run.args(["--runtime", $runtime]).env("PATH", path_with(tree)),
            Err(reason) => skip!("{reason}"),
        }
    };
}

fn any_node() -> bool {
    std::process::Command::new("node").arg("--version").output().is_ok_and(|o| o.status.success())
}

#[test]
fn a_package_of_modules_runs_without_being_told_anything() {
    if !any_node() {
        skip!("no node on this machine");
    }
    let function = Function::empty()
        .file("package.json", r#"{"type": "module"}"#)
        .file("node_modules/words/package.json", r#"{"main": "main.cjs"}"#)
        .file("node_modules/words/main.cjs", "exports.word = 'from a package';\n")
        .file(
            "index.js",
            "import words from 'words';
const waited = await Promise.resolve(words.word);
export const handler = async () => waited;
",
        );
    let run = invoke(&function).run().answered();
    assert_eq!(run.json(), "from a package");
    run.said(&["handler index.handler, runtime Node.js"]);
}

#[test]
fn the_hello_of_the_templates_runs_as_a_file() {
    if !any_node() {
        skip!("no node on this machine");
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtimes/templates/hello-nodejs/index.mjs");
    let run = lambdabox(["invoke", file]).event(r#"{"name":"Ada"}"#).run().answered();
    assert_eq!(run.json(), json!({"message": "Hello, Ada!"}));
}

#[test]
fn a_callback_answers_up_to_node_22_and_is_refused_from_24_on() {
    let function =
        node("exports.handler = (event, context, callback) => callback(null, 'called');\n");
    let run = on!("nodejs22.x", invoke(&function)).run().answered();
    assert_eq!(run.json(), "called");
    let run = on!("nodejs24.x", invoke(&function)).run();
    let run = run.failed_with("Runtime.CallbackHandlerDeprecated");
    let message = run.json()["errorMessage"].as_str().unwrap().to_owned();
    let start = "ERROR: AWS Lambda has removed support for callback-based function handlers";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn source_maps_are_followed_where_node_options_ask_for_it() {
    // One segment: the third line of index.js, from its start on, is line 40 of original.ts.
    let map = r#"{"version":3,"sources":["original.ts"],"names":[],"mappings":";;AAuCA"}"#;
    let function = node(
        "'use strict';
exports.handler = async () => {
throw new Error('mapped'); };
//# sourceMappingURL=index.js.map
",
    )
    .file("index.js.map", map);
    let trace = |run: Run| run.failed_with("Error").json()["trace"].to_string();
    let plain = trace(on!("nodejs22.x", invoke(&function)).run());
    assert!(plain.contains("index.js:3"), "{plain}");
    let asked = ["--env", "NODE_OPTIONS=--enable-source-maps"];
    let mapped = trace(on!("nodejs22.x", invoke(&function)).args(asked).run());
    assert!(mapped.contains("original.ts:40"), "{mapped}");
}

#[test]
fn a_rejection_nobody_handles_is_the_callers_error_on_node_22() {
    let function = node("exports.handler = () => { Promise.reject(new Error('lost')); };\n");
    let run = on!("nodejs22.x", invoke(&function)).run();
    let run = run.failed_with("Runtime.UnhandledPromiseRejection");
    assert_eq!(run.json()["errorMessage"], "Error: lost");
}

#[test]
fn a_layer_for_one_version_is_found_by_that_version() {
    let layer = Function::empty()
        .file("nodejs/node22/node_modules/only/index.js", "module.exports = 22;\n")
        .file("nodejs/node_modules/only/index.js", "module.exports = 'any';\n");
    let function = node("exports.handler = async () => require('only');\n");
    let with = || invoke(&function).args(["--layer"]).args([layer.path()]);
    assert_eq!(on!("nodejs22.x", with()).run().answered().json(), 22);
    assert_eq!(on!("nodejs24.x", with()).run().answered().json(), "any");
}

#[test]
fn the_heap_has_the_functions_memory_and_node_options_are_heard() {
    let function = node(
        "const v8 = require('node:v8');
exports.handler = async () =>
  [Math.round(v8.getHeapStatistics().heap_size_limit / 1048576), process.execArgv];
",
    );
    let of = |more: &[&str]| -> Option<serde_json::Value> {
        let tree = node_tree("nodejs22.x").ok()?;
        let run = invoke(&function).args(["--runtime", "nodejs22.x"]).args(more);
        Some(run.env("PATH", path_with(tree)).run().answered().json())
    };
    let Some(plain) = of(&["--memory-size", "512"]) else { skip!("no Node.js 22 can be had") };
    let limit = plain[0].as_u64().unwrap();
    assert!((460..=560).contains(&limit), "{plain}");
    assert!(plain[1].as_array().unwrap().contains(&json!("--no-experimental-require-module")));
    let own = "NODE_OPTIONS=--max-old-space-size=80 --experimental-require-module";
    let Some(own) = of(&["--env", own]) else { skip!("no Node.js 22 can be had") };
    assert!(own[0].as_u64().unwrap() < 160, "{own}");
    assert_eq!(own[1], json!(["--expose-gc", "--no-experimental-detect-module"]));
}

#[test]
fn a_version_that_is_not_here_is_refused_and_the_nearest_runs_if_that_is_asked_for() {
    if !any_node() {
        skip!("no node on this machine");
    }
    let function = Function::empty().file("index.mjs", HELLO);
    let tools = Function::empty();
    // Alone on the path, so that other versions on the tester's machine do not count.
    let alone = |run: Invoke| {
        let output = std::process::Command::new("sh").args(["-c", "command -v node"]).output();
        let node = String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned();
        let link = tools.at("node");
        if !link.exists() {
            std::os::unix::fs::symlink(node, link).unwrap();
        }
        let path = format!("{}:/usr/sbin:/sbin", tools.path().display());
        run.env("PATH", path).env("HOME", tools.path()).event(r#"{"name":"near"}"#)
    };
    let wanted = if node_tree("nodejs18.x").is_ok_and(|t| t.is_none()) {
        "nodejs26.x"
    } else {
        "nodejs18.x"
    };
    let asked =
        |more: &[&str]| alone(invoke(&function).args(["--runtime", wanted]).args(more)).run();
    let run = asked(&[]);
    if run.code() == 0 {
        skip!("this machine has {wanted} beside its own node");
    }
    run.refused(&[
        &format!("find an interpreter for {wanted}"),
        "nvm install",
        "--runtime-compat near",
    ]);
    let run = asked(&["--runtime-compat", "near"]).answered();
    assert_eq!(run.json(), "hello near");
    run.said(&[
        &format!("{wanted} is not on this machine: the nearest, Node.js"),
        "stands in for it",
    ]);
    let run = alone(invoke(&function).args(["--runtime", "nodejs"])).run().answered();
    assert_eq!(run.json(), "hello near");
}

#[test]
fn a_deprecated_runtime_runs_with_a_notice() {
    let function = Function::empty().file("index.mjs", HELLO);
    let run = on!("nodejs20.x", invoke(&function)).event(r#"{"name":"x"}"#).run().answered();
    run.said(&["nodejs20.x is deprecated on AWS since 2026-04-30; it runs here"]);
    let run = on!("nodejs24.x", invoke(&function)).event(r#"{"name":"x"}"#).run().answered();
    assert!(!run.stderr.contains("deprecated"), "{}", run.stderr);
}

#[test]
fn bad_packages_are_told_with_the_remedy() {
    if !any_node() {
        skip!("no node on this machine");
    }
    let missing =
        Function::empty().file("index.mjs", "import 'left-pad';\nexport const handler = 1;\n");
    let run = invoke(&missing).run().expect_code(1);
    let path = missing.path().display();
    run.said(&[&format!("left-pad is in neither the package nor a layer; add it with: npm install --prefix {path} left-pad")]);

    let typed = Function::empty().file("index.ts", "export const handler = 1;\n");
    let run = lambdabox(["invoke"]).args([typed.at("index.ts")]).run();
    run.refused(&["TypeScript has to become JavaScript first", "esbuild"]);

    let function = Function::empty().file("index.mjs", HELLO);
    let run = invoke(&function).args(["--runtime-client", "official"]).run();
    run.refused(&["aws-lambda-ric is in neither the package nor a layer", "npm install --prefix"]);
    let venv = Function::empty().file("pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n");
    let run = invoke(&function).args(["--venv"]).args([venv.path()]).run();
    run.refused(&["--venv", "this is Node.js"]);
    // A package of another language, by the runtime that was named.
    let python = Function::python("def lambda_handler(e, c):\n    return 1\n");
    let run = invoke(&python).args(["--runtime", "nodejs"]).run();
    run.refused(&["there is no index.js"]);
}

#[test]
fn a_heap_that_overflows_ends_the_process() {
    let function = node(
        "exports.handler = async () => { const held = []; for (;;) held.push(new Array(1e5).fill({})); };\n",
    );
    let run = on!("nodejs22.x", invoke(&function)).args(["--timeout", "60"]);
    let run = run.args(full_cpu_if_slow()).run().expect_code(1);
    let kind = run.json()["errorType"].as_str().unwrap().to_owned();
    // V8 aborts where it is first, the kernel kills where that is.
    assert!(["Runtime.ExitError", "Runtime.OutOfMemory"].contains(&kind.as_str()), "{kind}");
}

#[test]
fn an_interpreter_below_tmp_is_not_hidden_by_the_functions_own() {
    let asked = std::process::Command::new("node").args(["-p", "process.execPath"]).output();
    let Some(node) = asked.ok().filter(|asked| asked.status.success()) else {
        skip!("no node on this machine");
    };
    let place = tempfile::Builder::new().prefix("e2e-node-").tempdir_in("/tmp").unwrap();
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    std::fs::copy(String::from_utf8(node.stdout).unwrap().trim(), bin.join("node")).unwrap();
    let function = Function::empty().file(
        "index.mjs",
        "import fs from 'fs';
export const handler = async () => {
  fs.writeFileSync('/tmp/mine', '');
  return [process.execPath, fs.realpathSync('/var/lang/bin/node'), fs.readdirSync('/tmp')];
};
",
    );
    let run = invoke(&function).env("PATH", path_with(Some(bin))).run().answered();
    let inside = "/var/lang/bin/node";
    assert_eq!(run.json(), json!([inside, inside, ["mine"]]));
}
