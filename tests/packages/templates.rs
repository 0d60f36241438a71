//! Every template of `lambdabox init` is written, built where it says so, and answers its example.

use std::path::Path;

use serde_json::Value;

use super::build::{PATIENCE, cache};
use crate::harness::{Function, lambdabox, no_registries};

/// A template, by its folder: what it needs of the machine, and what else `invoke` is told.
struct Needs {
    tools: &'static [&'static str],
    arguments: &'static [&'static str],
}

const NOTHING: Needs = Needs { tools: &[], arguments: &[] };

#[derive(serde::Deserialize)]
struct Manifest {
    build: bool,
    answer: String,
}

fn manifest(name: &str) -> Manifest {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtimes/templates");
    let text = std::fs::read_to_string(root.join(name).join("template.toml")).unwrap();
    // Its summary is not ours to look at.
    toml::from_str(&text).unwrap()
}

/// Whether `got` holds everything of `wanted`.
fn holds(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (Value::Object(got), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| got.get(name).is_some_and(|got| holds(got, value)))
        }
        _ => got == wanted,
    }
}

fn answers(name: &str, needs: &Needs) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |tool: &str| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file());
    if let Some(missing) = needs.tools.iter().find(|tool| !has(tool)) {
        skip!("no {missing} on this machine");
    }
    let manifest = manifest(name);
    if let Some(reason) = no_registries().filter(|_| manifest.build) {
        skip!("{reason}");
    }
    let home = Function::empty();
    let directory = home.at(name);
    let run = lambdabox(["init", name]).args([&directory]).run().answered();
    run.said(&["wrote ", "README.md", "run it with: cd "]);
    assert!(!directory.join("template.toml").exists());
    if manifest.build {
        let build = lambdabox(["build"]).args([&directory]).env("CARGO_TARGET_DIR", cache());
        build.start().wait_for(PATIENCE).answered();
    }
    let package =
        if manifest.build { directory.join(".lambdabox/build") } else { directory.clone() };
    let run = lambdabox(["invoke"]).args([&package]).args(["--event"]);
    let run = run.args([directory.join("event.json")]).args(needs.arguments).run().answered();
    let wanted: Value = serde_json::from_str(&manifest.answer).unwrap();
    let got = match &wanted {
        Value::String(_) => Value::String(run.text()),
        _ => run.json(),
    };
    assert!(holds(&got, &wanted), "{name} answered {got} instead of {wanted}\n{}", run.stderr);
}

#[test]
fn the_list_names_every_template_with_a_line_about_it() {
    let listed = lambdabox(["init", "--list"]).run().answered().text();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtimes/templates");
    let mut folders: Vec<String> = std::fs::read_dir(root)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let names: Vec<&str> = listed.lines().map(|l| l.split("  ").next().unwrap_or("")).collect();
    assert_eq!(names, folders, "{listed}");
    assert!(listed.lines().all(|line| line.split_whitespace().count() > 3), "{listed}");
}

#[test]
fn a_directory_with_anything_in_it_is_left_alone() {
    let function = Function::empty().file("mine.txt", "");
    let run = lambdabox(["init", "hello-python"]).args([function.path()]).run();
    run.refused(&["is not empty", "name a directory that is empty"]);
    assert_eq!(std::fs::read_dir(function.path()).unwrap().count(), 1);
}

#[test]
fn a_template_that_is_not_there_is_told_with_the_nearest() {
    let run = lambdabox(["init", "hello-pyton"]).run();
    run.refused(&["there is no template hello-pyton", "did you mean hello-python?", "--list"]);
}

#[test]
fn hello_python_answers() {
    answers("hello-python", &NOTHING);
}

#[test]
fn hello_nodejs_answers() {
    answers("hello-nodejs", &Needs { tools: &["node"], arguments: &["--timeout", "20"] });
}

#[test]
fn hello_nodejs_cjs_answers() {
    answers("hello-nodejs-cjs", &Needs { tools: &["node"], arguments: &["--timeout", "20"] });
}

#[test]
fn hello_ruby_answers() {
    // Debian's Ruby 3.1 is none of AWS's.
    let arguments = &["--runtime-compat", "near", "--timeout", "20"];
    answers("hello-ruby", &Needs { tools: &["ruby"], arguments });
}

#[test]
fn hello_go_answers() {
    answers("hello-go", &Needs { tools: &["go"], arguments: &["--timeout", "20"] });
}

#[test]
fn hello_rust_answers() {
    answers("hello-rust", &Needs { tools: &["cargo"], arguments: &["--timeout", "20"] });
}

#[test]
fn hello_java_answers() {
    answers("hello-java", &Needs { tools: &["mvn", "javac"], arguments: &["--timeout", "60"] });
}

#[test]
fn hello_dotnet_answers() {
    answers("hello-dotnet", &Needs { tools: &["dotnet"], arguments: &["--timeout", "60"] });
}

#[test]
fn hello_shell_answers() {
    answers("hello-shell", &Needs { tools: &["curl"], arguments: &["--timeout", "20"] });
}

#[test]
fn a_thumbnail_is_made() {
    answers("thumbnail", &NOTHING);
}

#[test]
fn the_alexa_skill_rolls_a_die() {
    answers("alexa-skill", &Needs { tools: &["node"], arguments: &["--timeout", "20"] });
}

#[test]
fn a_video_is_transcoded() {
    answers("video-transcode", &NOTHING);
}

#[test]
fn an_sqs_batch_hands_back_what_failed() {
    answers("sqs-batch", &NOTHING);
}

#[test]
fn a_chat_reply_is_streamed() {
    answers("chat-stream", &Needs { tools: &["node"], arguments: &["--timeout", "20"] });
}

#[test]
fn the_http_api_takes_a_note() {
    answers("http-api", &Needs { tools: &["node"], arguments: &["--timeout", "20"] });
}
