//! Many runs one after another leave the machine as it was.

use super::{hello, one_start, repetitions};
use crate::harness::{Function, Leftovers, alone, invoke, networks, no_nat};

#[test]
fn many_sequential_invokes_leave_nothing() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    one_start(data.path());
    let before = Leftovers::now(data.path());
    let function = hello();
    let count = repetitions("LAMBDABOX_SOAK_INVOKES", 20);
    for _ in 0..count {
        let run = invoke(&function).data(data.path()).while_alone().run().answered();
        assert_eq!(run.json(), "hello");
    }
    let left = before.since(data.path());
    eprintln!("before:               {}", before.counts());
    eprintln!("after {count:>4} invokes:   {}", Leftovers::now(data.path()).counts());
    assert!(left.is_empty(), "{count} invokes left: {left:#?}");
}

#[test]
fn failing_functions_leave_nothing() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    one_start(data.path());
    let before = Leftovers::now(data.path());
    for body in [
        "raise ValueError",
        "import os; os._exit(1)",
        "import os; os.kill(os.getpid(), 9)",
        "import time; time.sleep(60)",
        "return bytearray(1 << 30)",
        "import subprocess; subprocess.Popen(['setsid', 'sleep', '1000'])",
    ] {
        let function = Function::python(&format!("def lambda_handler(e, c):\n    {body}\n"));
        let run = invoke(&function).args(["--timeout", "1"]).data(data.path()).while_alone().run();
        assert!([0, 1].contains(&run.code()), "{body}: {}", run.stderr);
        let left = before.since(data.path());
        assert!(left.is_empty(), "{body} left: {left:#?}");
    }
}

#[test]
fn every_network_placement_leaves_nothing() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    one_start(data.path());
    let before = Leftovers::now(data.path());
    for network in networks(&["none", "nat", "host"]) {
        let arguments = ["--network", network, "--forward", "5432"];
        let run = invoke(&hello()).args(arguments).data(data.path()).while_alone().run();
        run.answered();
        let left = before.since(data.path());
        assert!(left.is_empty(), "--network {network} left: {left:#?}");
    }
}

#[test]
fn what_could_not_be_taken_away_is_swept_by_the_next_start() {
    if let Some(reason) = no_nat() {
        skip!("{reason}");
    }
    let nft = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"];
    let Some(nft) = nft.into_iter().find(|path| std::path::Path::new(path).exists()) else {
        skip!("no nft");
    };
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    one_start(data.path());
    let before = Leftovers::now(data.path());
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in -f) text=$(cat);; esac\n\
         case \"$text\" in 'delete table'*) kill -9 $$;; esac\n\
         printf '%s\\n' \"$text\" | exec {nft} \"$@\"\n"
    );
    let stubborn = Function::empty().executable("nft", script);
    let path = format!("{}:{}", stubborn.path().display(), std::env::var("PATH").unwrap());
    let function = hello();
    let run = invoke(&function).args(["--network", "nat"]).env("PATH", path).data(data.path());
    let run = run.while_alone().run().answered();
    assert!(run.stderr.contains("failed to clean up: remove the firewall rules"), "{}", run.stderr);
    // With another placement, which makes no rules of its own over the old ones.
    let next = invoke(&function).args(["--network", "none"]).data(data.path());
    next.while_alone().run().answered();
    let left = before.since(data.path());
    assert!(left.is_empty(), "left: {left:#?}");
}

#[test]
fn layers_and_zips_leave_nothing_but_the_store() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    let code = b"def lambda_handler(event, context):\n    return 1\n";
    let zip = crate::harness::zip_bytes(&[("lambda_function.py", code, 0o644)]);
    let package = Function::empty().file("package.zip", zip).file("layer/python/x.py", "");
    let run = || {
        crate::harness::lambdabox(["invoke"])
            .args([package.at("package.zip")])
            .args(["--layer"])
            .args([package.at("layer")])
            .data(data.path())
            .while_alone()
            .run()
            .answered()
    };
    run();
    let before = Leftovers::now(data.path());
    run();
    let left = before.since(data.path());
    assert!(left.is_empty(), "the second run left: {left:#?}");
}

#[test]
fn two_first_starts_at_once_do_not_trip_over_each_other() {
    let data = tempfile::tempdir().unwrap();
    let function = hello();
    let running: Vec<_> = (0..4)
        .map(|_| invoke(&function).data(data.path()).args(["--timeout", "30"]).start())
        .collect();
    for one in running {
        assert_eq!(one.wait().answered().json(), "hello");
    }
}
