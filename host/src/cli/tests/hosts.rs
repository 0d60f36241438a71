//! Commands that call a host.

use std::fs;

use super::{Place, Ran, status};
use crate::app;

#[test]
fn a_name_without_a_path_is_a_function_of_a_host_and_what_is_of_its_making_is_refused() {
    let place = Place::new(&[("LAMBDABOX_ENDPOINT_URL", "http://127.0.0.1:1")]);
    let asked = ["invoke", "hello:prod", "-e", "[1]", "--client-context", "{}", "--repeat", "2"];
    let ran = place.run(&asked, b"");
    assert_eq!(ran.status, status(7), "{}", ran.err);
    let Some(app::ClientCall::Invoke(invoke)) = ran.client else { panic!("{}", ran.err) };
    assert_eq!((invoke.name.as_str(), &invoke.event[..]), ("hello:prod", &b"[1]"[..]));
    assert_eq!((invoke.repeat, invoke.when), (2, crate::config::When::Now));
    assert_eq!(invoke.endpoint.url, "http://127.0.0.1:1");
    let later = place.run(&["invoke", "hello", "--async"], b"");
    assert!(matches!(&later.client, Some(app::ClientCall::Invoke(invoke))
        if invoke.when == crate::config::When::Later && &invoke.event[..] == b"{}"));
    for (args, said) in [
        (&["invoke", "hello", "--memory-size", "512"][..], "--memory-size is of a function that"),
        (
            &["invoke", "hello", "{}"],
            "hint: `lambdabox deploy PATH --name hello` changes a deployed",
        ),
        (&["invoke", "./app.py", "--async"], "--async is of a deployed function"),
        (&["invoke", "--async"], "`` is not the name of a function"),
        (&["invoke", "f", "--async", "--client-context", "{}"], "contradicts --async"),
        (&["invoke", "hello", "--print-config"], "--print-config is of a function that runs from"),
        (&["invoke", "hello", "--trust-config"], "--trust-config is of a function that runs from"),
        (
            &["invoke", "hello", "--async", "--print-config"],
            "and --async invokes `hello` of a host",
        ),
    ] {
        let ran = place.run(args, b"");
        assert!(ran.err.contains(said), "{args:?} said:\n{}", ran.err);
        assert!(ran.status == status(2) && ran.client.is_none(), "{args:?}");
    }
}

#[test]
fn a_host_is_called_with_what_was_typed() {
    let place = Place::new(&[]);
    let typed = [
        "deploy",
        "./app.py",
        "app.go",
        "--name",
        "f",
        "--timeout",
        "7",
        "--env",
        "A1=b",
        "--reserved-concurrency",
        "3",
        "--endpoint-url",
        "http://127.0.0.1:2",
    ];
    let Some(app::ClientCall::Deploy(deploy)) = place.run(&typed, b"").client else {
        panic!("it is not deployed")
    };
    assert_eq!((deploy.name.as_deref(), deploy.handler.as_deref()), (Some("f"), Some("app.go")));
    assert_eq!((deploy.timeout_seconds, deploy.reserved_concurrency), (Some(7), Some(3)));
    assert_eq!(deploy.environment.unwrap()["A1"], "b");
    assert_eq!(deploy.endpoint.url, "http://127.0.0.1:2");
    let listed = place.run(&["ls", "--json"], b"").client;
    assert!(matches!(listed, Some(app::ClientCall::List { form: app::Form::Json, .. })));
    let removed = place.run(&["rm", "a", "b"], b"").client;
    assert!(matches!(removed, Some(app::ClientCall::Remove { names, .. }) if names == ["a", "b"]));
    assert_eq!(place.run(&["rm"], b"").status, status(2));
}

#[test]
fn with_async_a_path_of_the_same_name_is_not_said_to_be_missing() {
    let place = Place::new(&[]);
    fs::create_dir(place.root.path().join("py")).unwrap();
    let ran = place.run(&["invoke", "py", "--async", "--timeout", "5"], b"");
    assert!(ran.client.is_none() && !ran.err.contains("no path"), "{}", ran.err);
    let said =
        "--timeout is of a function that runs from a path, and --async invokes `py` of a host";
    assert!(ran.err.contains(said), "{}", ran.err);
}

#[test]
fn a_wrong_name_is_told_with_the_flag_that_was_typed() {
    let place = Place::new(&[]);
    for flag in ["--name", "--function-name"] {
        let ran = place.run(&["deploy", ".", flag, "bad name"], b"");
        assert_eq!(ran.status, status(2));
        let said = format!("error: {flag} is `bad name`, but it must be");
        assert!(ran.err.contains(&said), "{}", ran.err);
    }
    let ran = place.run(&["deploy", ".", "--function-name", "f"], b"");
    let Some(app::ClientCall::Deploy(deploy)) = ran.client else { panic!("{}", ran.err) };
    assert_eq!(deploy.name.as_deref(), Some("f"));
}

#[test]
fn an_operators_address_may_be_a_url_and_whoever_named_it_is_remembered() {
    let endpoint = |ran: &Ran| match &ran.client {
        Some(app::ClientCall::Top { host, .. } | app::ClientCall::Usage { host, .. }) => {
            host.endpoint.clone()
        }
        _ => panic!("{}", ran.err),
    };
    let place = Place::new(&[]);
    for typed in ["http://127.0.0.1:19872", "127.0.0.1:19872", " http://127.0.0.1:19872/ "] {
        for command in ["top", "usage"] {
            let called = endpoint(&place.run(&[command, "--admin", typed], b""));
            assert_eq!(called.url, "http://127.0.0.1:19872");
            assert_eq!(called.said_by.as_deref(), Some("--admin"));
        }
    }
    let called = endpoint(&place.run(&["top"], b""));
    assert_eq!(called.url, "http://127.0.0.1:9002");
    assert_eq!(called.said_by.as_deref(), Some("the default of --admin"));
    for wrong in ["https://127.0.0.1:1", "localhost", "127.0.0.1:0", "127.0.0.1:1/pool", ""] {
        let ran = place.run(&["usage", "--admin", wrong], b"");
        let said =
            format!("error: --admin is `{wrong}`, but it must be an address and port such as");
        assert!(ran.err.contains(&said) && ran.err.contains("127.0.0.1:9002"), "{}", ran.err);
        assert!(ran.status == status(2) && ran.client.is_none(), "{wrong}");
    }
    let place = Place::new(&[("LAMBDABOX_ADMIN", "http://127.0.0.1:7")]);
    let called = endpoint(&place.run(&["top"], b""));
    assert_eq!(called.url, "http://127.0.0.1:7");
    assert_eq!(called.said_by.as_deref(), Some("LAMBDABOX_ADMIN"));
    assert_eq!(endpoint(&place.run(&["top", "--admin", "[::1]:8"], b"")).url, "http://[::1]:8");
}
