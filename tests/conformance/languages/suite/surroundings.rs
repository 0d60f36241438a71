//! What a handler finds around it.

use crate::conformance::languages::guest::Host;
use crate::harness::stretched_ms;

pub(crate) fn the_context_says_who_is_called(host: &Host) {
    let run = host.invoke("context").args(["--function-name", "suite", "--timeout", "20"]);
    let run = run.run().answered();
    let context = run.json();
    assert_eq!(context["function_name"], "suite");
    assert_eq!(context["function_version"], "$LATEST");
    assert_eq!(context["memory_mb"], 256);
    assert_eq!(context["request_id"], run.report().request_id);
    assert_eq!(context["log_group"], "/aws/lambda/suite");
    assert!(context["log_stream"].as_str().unwrap().contains("/[$LATEST]"), "{context}");
    assert!(context["arn"].as_str().unwrap().ends_with(":function:suite"), "{context}");
    let remaining = context["remaining_ms"].as_f64().unwrap();
    assert!(remaining > 0.0 && remaining <= stretched_ms(20_000.0), "{context}");
}

pub(crate) fn the_deadline_counts_down(host: &Host) {
    let times = host.invoke("deadline").args(["--timeout", "10"]).run().answered().json();
    let (before, after) = (times[0].as_f64().unwrap(), times[1].as_f64().unwrap());
    assert!(before <= stretched_ms(10_000.0) && before - after >= 290.0 && after > 0.0, "{times}");
}

pub(crate) fn the_environment_is_lambdas(host: &Host) {
    let run = host.invoke("environment").args(["--env", "STAGE=é test"]).run().answered();
    let all = run.json();
    for (name, value) in [
        ("STAGE", "é test"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("TZ", ":UTC"),
        ("LANG", "en_US.UTF-8"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_REGION", "us-east-1"),
    ] {
        assert_eq!(all[name], value, "{name}");
    }
    match all["AWS_EXECUTION_ENV"].as_str() {
        Some(runtime) => {
            assert!(runtime.starts_with(&format!("AWS_Lambda_{}", host.runtime())), "{runtime}");
        }
        // AWS does not define it for its bare systems.
        None => assert!(host.runtime().starts_with("provided"), "{all}"),
    }
    assert!(all["_X_AMZN_TRACE_ID"].as_str().unwrap().starts_with("Root=1-"), "{all}");
    let names = all.as_object().unwrap().keys();
    let shown = host.is_official() && host.words.official_shows_log_descriptor;
    let ours: Vec<&String> = names
        .filter(|name| {
            name.starts_with("_LAMBDABOX") || (name.starts_with("_LAMBDA_TELEMETRY") && !shown)
        })
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
}

pub(crate) fn the_working_directory_is_the_task_root(host: &Host) {
    assert_eq!(host.invoke("cwd").run().answered().json(), "/var/task");
}

pub(crate) fn a_wrapper_script_starts_the_interpreter(host: &Host) {
    let run = host
        .invoke("environment")
        .args(["--env", "AWS_LAMBDA_EXEC_WRAPPER=/var/task/wrapper"])
        .run()
        .answered();
    let word = run.json()["FROM_THE_WRAPPER"].as_str().unwrap().to_owned();
    assert!(word.starts_with("started ") && word.len() > "started ".len(), "{word}");
}

pub(crate) fn a_layer_is_on_the_languages_search_path(host: &Host) {
    let run = host.invoke("layered").args(["--layer"]).args([host.layer()]).run().answered();
    assert_eq!(run.json(), "from the layer");
}
