//! What a Python handler gets and gives, the same on both language loops.

use serde_json::json;

use crate::harness::{Client, Function, invoke};

on_both_loops!(
    an_event_reaches_the_handler_and_its_answer_comes_back,
    every_member_of_the_context_is_there,
    the_remaining_time_counts_down_from_the_timeout,
    a_client_context_arrives_decoded,
    without_a_client_context_there_is_none,
    unicode_survives_both_ways,
    big_integers_keep_their_digits,
    decimals_become_numbers_with_all_their_digits,
    every_json_shape_is_returned_as_it_is,
    bytes_are_returned_unchanged,
    a_payload_of_the_largest_size_goes_in_and_out,
    a_response_over_the_limit_fails_and_the_next_invocation_works,
    module_state_is_kept_between_invocations_of_one_environment,
    a_handler_in_a_package_is_found_by_dots_and_by_slashes,
    a_handler_may_be_any_callable,
    the_handler_runs_in_var_task_with_an_empty_standard_input,
);

/// Returns its event, with the name in front.
const ECHO: &str = "def lambda_handler(event, context):\n    return event\n";

fn an_event_reaches_the_handler_and_its_answer_comes_back(client: Client) {
    let function = Function::python(
        "def lambda_handler(event, context):\n    return {'greeting': 'Hello ' + event['name']}\n",
    );
    let run = invoke(&function).client(client).event(r#"{"name":"Ada"}"#).run().answered();
    assert_eq!(run.json(), json!({"greeting": "Hello Ada"}));
}

fn every_member_of_the_context_is_there(client: Client) {
    let function = Function::python(
        "def lambda_handler(event, context):
    return {
        'id': context.aws_request_id, 'name': context.function_name,
        'version': context.function_version, 'arn': context.invoked_function_arn,
        'memory': context.memory_limit_in_mb, 'group': context.log_group_name,
        'stream': context.log_stream_name,
        'identity': [context.identity.cognito_identity_id,
                     context.identity.cognito_identity_pool_id],
        'log': callable(context.log), 'tenant': context.tenant_id,
        'printable': 'LambdaContext(' in str(context),
    }
",
    );
    let arguments = ["--function-name", "orders", "--memory-size", "256", "--region", "eu-west-1"];
    let run = invoke(&function).client(client).args(arguments).run().answered();
    let got = run.json();
    assert_eq!(got["id"], run.report().request_id.as_str());
    assert_eq!(got["name"], "orders");
    assert_eq!(got["version"], "$LATEST");
    assert_eq!(got["arn"], "arn:aws:lambda:eu-west-1:000000000000:function:orders");
    assert_eq!(got["memory"], "256", "a string, as on Lambda");
    assert_eq!(got["group"], "/aws/lambda/orders");
    assert!(got["stream"].as_str().unwrap().contains("[$LATEST]"), "{got}");
    assert_eq!(got["identity"], json!([null, null]));
    assert_eq!(got["log"], true);
    assert_eq!(got["tenant"], json!(null));
    assert_eq!(got["printable"], true);
}

fn the_remaining_time_counts_down_from_the_timeout(client: Client) {
    let function = Function::python(
        "import time
def lambda_handler(event, context):
    first = context.get_remaining_time_in_millis()
    time.sleep(0.05)
    return [first, context.get_remaining_time_in_millis()]
",
    );
    let run = invoke(&function).client(client).args(["--timeout=30"]).run().answered();
    let got = run.json();
    let (first, second) = (got[0].as_i64().unwrap(), got[1].as_i64().unwrap());
    assert!((25_000..=30_000).contains(&first), "near the timeout: {first}");
    assert!(second <= first - 50, "it counts down: {first} then {second}");
}

fn a_client_context_arrives_decoded(client: Client) {
    let function = Function::python(
        "def lambda_handler(event, context):
    c = context.client_context
    return [c.client.installation_id, c.client.app_title, c.custom, c.env]
",
    );
    let context = r#"{"client":{"installation_id":"i-1","app_title":"Títle"},"custom":{"k":"v"},"env":{"model":"m"}}"#;
    let run = invoke(&function).client(client).args(["--client-context", context]).run().answered();
    assert_eq!(run.json(), json!(["i-1", "Títle", {"k": "v"}, {"model": "m"}]));
}

fn without_a_client_context_there_is_none(client: Client) {
    let function = Function::python(
        "def lambda_handler(e, context):\n    return context.client_context is None\n",
    );
    assert_eq!(invoke(&function).client(client).run().answered().json(), json!(true));
}

fn unicode_survives_both_ways(client: Client) {
    let function = Function::python(
        "def lambda_handler(event, c):\n    return {'back': event['t'], 'length': len(event['t'])}\n",
    );
    let text = "Grüße, 世界 🌍 \u{0} \u{2028} \"quoted\" \\ back";
    let run =
        invoke(&function).client(client).event(json!({"t": text}).to_string()).run().answered();
    assert_eq!(run.json(), json!({"back": text, "length": text.chars().count()}));
}

fn big_integers_keep_their_digits(client: Client) {
    let number = "123456789012345678901234567890123456789";
    let run = invoke(&Function::python(ECHO)).client(client).event(number).run().answered();
    assert_eq!(run.text(), number);
}

fn decimals_become_numbers_with_all_their_digits(client: Client) {
    let function = Function::python(
        "from decimal import Decimal
def lambda_handler(event, context):
    return {'price': Decimal('1.10'), 'long': Decimal('0.1234567890123456789012345'),
            'not': Decimal('NaN')}
",
    );
    let text = invoke(&function).client(client).run().answered().text();
    assert!(text.contains(r#""price": 1.10,"#), "a number that keeps its zero: {text}");
    assert!(text.contains(r#""long": 0.1234567890123456789012345"#), "{text}");
    assert!(text.contains(r#""not": NaN"#), "{text}");
}

fn every_json_shape_is_returned_as_it_is(client: Client) {
    for event in ["null", "true", "-1.5", "\"text\"", "[]", "{}", r#"[1, {"a": [null, false]}]"#] {
        let run = invoke(&Function::python(ECHO)).client(client).event(event).run().answered();
        let sent: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!(run.json(), sent, "{event}");
    }
}

fn bytes_are_returned_unchanged(client: Client) {
    let function =
        Function::python("def lambda_handler(event, context):\n    return bytes(range(256))\n");
    let run = invoke(&function).client(client).run().answered();
    assert_eq!(run.stdout, (0..=255).collect::<Vec<u8>>());
}

fn a_payload_of_the_largest_size_goes_in_and_out(client: Client) {
    /// 6 MiB and 100 bytes: AWS's limit of a buffered payload.
    const LIMIT: usize = 6_291_556;
    let function = Function::python(ECHO);
    let event = format!("\"{}\"", "x".repeat(LIMIT - 2));
    let run = invoke(&function)
        .client(client)
        .args(["--timeout", "30", "--memory-size", "512", "--event", "-"])
        .stdin(event.clone())
        .run()
        .answered();
    assert!(run.stdout == event.as_bytes(), "{} bytes came back", run.stdout.len());
}

fn a_response_over_the_limit_fails_and_the_next_invocation_works(client: Client) {
    let function = Function::python(
        "import os
def lambda_handler(event, context):
    if not os.path.exists('/tmp/second'):
        open('/tmp/second', 'w').close()
        return 'x' * (6291556 - 1)
    return 'works'
",
    );
    let run = invoke(&function)
        .client(client)
        .args(["--repeat", "2", "--timeout", "30", "--memory-size", "512"])
        .run()
        .expect_code(1);
    let text = run.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "one response a line");
    let error: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(lines[1], "\"works\"");
    let kind = run.reports()[0].text("Error Type").map(str::to_owned);
    assert_eq!(kind.as_deref(), Some("Function.ResponseSizeTooLarge"), "{}", run.stderr);
}

fn module_state_is_kept_between_invocations_of_one_environment(client: Client) {
    let function = Function::python(
        "import os
calls = 0
def lambda_handler(event, context):
    global calls
    calls += 1
    return [calls, os.getpid()]
",
    );
    let run = invoke(&function).client(client).args(["--repeat", "3"]).run().answered();
    let text = run.text();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!([&lines[0][0], &lines[1][0], &lines[2][0]], [1, 2, 3]);
    assert_eq!(lines[0][1], lines[2][1], "one process served all");
}

fn a_handler_in_a_package_is_found_by_dots_and_by_slashes(client: Client) {
    let function = Function::empty()
        .file("api/__init__.py", "")
        .file("api/orders.py", "def get(event, context):\n    return __name__\n");
    for handler in ["api.orders.get", "api/orders.get"] {
        let run = invoke(&function)
            .client(client)
            .args(["--runtime", &python_default(), "--handler", handler])
            .run()
            .answered();
        assert_eq!(run.json(), "api.orders", "{handler}");
    }
}

fn a_handler_may_be_any_callable(client: Client) {
    let function = Function::python(
        "import functools
class Handler:
    def __call__(self, event, context):
        return 'an object'
obj = Handler()
part = functools.partial(lambda word, event, context: word, 'a partial')
",
    );
    for (handler, says) in [("obj", "an object"), ("part", "a partial")] {
        let handler = format!("lambda_function.{handler}");
        let run = invoke(&function).client(client).args(["--handler", &handler]).run().answered();
        assert_eq!(run.json(), says);
    }
}

fn the_handler_runs_in_var_task_with_an_empty_standard_input(client: Client) {
    let function = Function::python(
        "import os, sys
def lambda_handler(event, context):
    return [os.getcwd(), sys.stdin.read(), __file__, os.readlink('/proc/self/fd/0')]
",
    );
    let run = invoke(&function).client(client).run().answered();
    assert_eq!(run.json(), json!(["/var/task", "", "/var/task/lambda_function.py", "/dev/null"]));
}

/// The runtime identifier of `python3` on the path.
fn python_default() -> String {
    format!("python3.{}", crate::harness::default_minor())
}
