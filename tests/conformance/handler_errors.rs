//! How a Python handler's failures reach the caller, the same on both language loops.

use crate::harness::{Client, Function, invoke};

on_both_loops!(
    an_exception_is_told_with_message_type_id_and_stack,
    an_exception_without_text_still_has_its_type,
    after_an_exception_the_environment_serves_on,
    an_import_that_fails_is_an_import_module_error,
    a_missing_module_is_an_import_module_error,
    a_syntax_error_names_file_and_line,
    a_missing_handler_is_named_with_its_module,
    a_handler_without_a_dot_is_malformed,
    a_builtin_module_cannot_be_a_handler,
    an_answer_that_is_not_json_is_a_marshal_error,
    an_exception_while_the_module_loads_is_told,
    a_handler_that_exits_is_a_runtime_exit_error,
    the_error_is_written_to_the_log,
);

fn an_exception_is_told_with_message_type_id_and_stack(client: Client) {
    let function = Function::python(
        "class OutOfStock(Exception):
    pass
def pick(item):
    raise OutOfStock('no ' + item + ' left: 世界')
def lambda_handler(event, context):
    return pick(event['item'])
",
    );
    let run = invoke(&function).client(client).event(r#"{"item":"tea"}"#).run();
    let run = run.failed_with("OutOfStock");
    let body = run.json();
    assert_eq!(body["errorMessage"], "no tea left: 世界");
    assert_eq!(body["requestId"], run.report().request_id.as_str());
    let stack: Vec<&str> =
        body["stackTrace"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(stack.len(), 2, "the function's frames only: {stack:?}");
    let first = "  File \"/var/task/lambda_function.py\", line 6, in lambda_handler\n";
    assert!(stack[0].starts_with(first), "{stack:?}");
    assert!(stack[0].ends_with("    return pick(event['item'])\n"), "{stack:?}");
    assert!(stack[1].contains("line 4, in pick"), "{stack:?}");
}

fn an_exception_without_text_still_has_its_type(client: Client) {
    let function = Function::python("def lambda_handler(event, context):\n    raise KeyError\n");
    let run = invoke(&function).client(client).run().failed_with("KeyError");
    assert_eq!(run.json()["errorMessage"], "");
}

fn after_an_exception_the_environment_serves_on(client: Client) {
    let function = Function::python(
        "calls = 0
def lambda_handler(event, context):
    global calls
    calls += 1
    if calls == 2:
        raise ValueError('second')
    return calls
",
    );
    let run = invoke(&function).client(client).args(["--repeat", "3"]).run().expect_code(1);
    let text = run.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[2]), (3, "1", "3"), "{text}");
    assert!(lines[1].contains("ValueError"), "{text}");
    assert_eq!(run.stderr.matches("Init Duration").count(), 1, "one environment: {}", run.stderr);
}

fn an_import_that_fails_is_an_import_module_error(client: Client) {
    let function = Function::python(
        "import a_module_nobody_has\ndef lambda_handler(event, context):\n    return 1\n",
    );
    let run = invoke(&function).client(client).run().failed_with("Runtime.ImportModuleError");
    let message =
        "Unable to import module 'lambda_function': No module named 'a_module_nobody_has'";
    assert_eq!(run.json()["errorMessage"], message);
}

fn a_missing_module_is_an_import_module_error(client: Client) {
    let function = Function::python("");
    let runtime = format!("python3.{}", crate::harness::default_minor());
    let arguments = ["--runtime", &runtime, "--handler", "absent.handler"];
    let run = invoke(&function).client(client).args(arguments).run();
    let run = run.failed_with("Runtime.ImportModuleError");
    assert_eq!(
        run.json()["errorMessage"],
        "Unable to import module 'absent': No module named 'absent'"
    );
}

fn a_syntax_error_names_file_and_line(client: Client) {
    let function = Function::python("def lambda_handler(event, context):\n    return (\n");
    let run = invoke(&function).client(client).run().failed_with("Runtime.UserCodeSyntaxError");
    let body = run.json();
    let message = body["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("Syntax error in module 'lambda_function': "), "{message}");
    let stack = body["stackTrace"][0].as_str().unwrap();
    assert!(stack.starts_with("  File \"/var/task/lambda_function.py\" Line 2\n"), "{stack}");
}

fn a_missing_handler_is_named_with_its_module(client: Client) {
    let function = Function::python("x = 1\n");
    let handler = ["--handler", "lambda_function.nope"];
    let run = invoke(&function).client(client).args(handler).run();
    let run = run.failed_with("Runtime.HandlerNotFound");
    assert_eq!(run.json()["errorMessage"], "Handler 'nope' missing on module 'lambda_function'");
}

fn a_handler_without_a_dot_is_malformed(client: Client) {
    let function = Function::python("");
    let runtime = format!("python3.{}", crate::harness::default_minor());
    let arguments = ["--runtime", &runtime, "--handler", "nodot"];
    let run = invoke(&function).client(client).args(arguments).run();
    let run = run.failed_with("Runtime.MalformedHandlerName");
    let body = run.json();
    let message = body["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("Bad handler 'nodot': "), "{message}");
}

fn a_builtin_module_cannot_be_a_handler(client: Client) {
    let function = Function::python("");
    let runtime = format!("python3.{}", crate::harness::default_minor());
    let arguments = ["--runtime", &runtime, "--handler", "sys.exit"];
    let run = invoke(&function).client(client).args(arguments).run();
    run.failed_with("Runtime.BuiltInModuleConflict");
}

fn an_answer_that_is_not_json_is_a_marshal_error(client: Client) {
    let function = Function::python("def lambda_handler(event, context):\n    return {1, 2}\n");
    let run = invoke(&function).client(client).run().failed_with("Runtime.MarshalError");
    let body = run.json();
    let message = body["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("Unable to marshal response: "), "{message}");
    assert!(message.contains("set"), "it names the type: {message}");
}

fn an_exception_while_the_module_loads_is_told(client: Client) {
    let function = Function::python(
        "raise RuntimeError('not configured')\ndef lambda_handler(event, context):\n    return 1\n",
    );
    let run = invoke(&function).client(client).run().failed_with("RuntimeError");
    assert_eq!(run.json()["errorMessage"], "not configured");
}

fn a_handler_that_exits_is_a_runtime_exit_error(client: Client) {
    let function =
        Function::python("import sys\ndef lambda_handler(event, context):\n    sys.exit(7)\n");
    let run = invoke(&function).client(client).run().failed_with("Runtime.ExitError");
    let id = run.report().request_id;
    assert_eq!(
        run.json()["errorMessage"],
        format!("RequestId: {id} Error: Runtime exited with error: exit status 7")
    );
}

fn the_error_is_written_to_the_log(client: Client) {
    let function = Function::python("def lambda_handler(event, context):\n    return 1 / 0\n");
    let run = invoke(&function).client(client).run().failed_with("ZeroDivisionError");
    let log = run.function_log();
    assert!(log.contains("[ERROR] ZeroDivisionError: division by zero"), "{log}");
    assert!(log.contains("Traceback (most recent call last):"), "{log}");
}
