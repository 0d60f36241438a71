//! Do the libraries people use run? Real handlers, their dependencies vendored by pip at test time.
//!
//! # Not here
//! Which SDK is offered when none is vendored (`conformance::sdk`).

mod build;
mod frameworks;
mod numbers;
mod sdk;
mod templates;

use std::path::Path;

use crate::harness::{Invoke, lambdabox, vendored};

/// `invoke` of a package: these requirements in one directory, with a handler of `tests/fixtures`.
fn package(name: &str, requirements: &[&str]) -> Invoke {
    let directory = vendored(&format!("package-{name}"), "package", requirements);
    let directory = directory
        .unwrap_or_else(|error| panic!("{name}: pip could not vendor {requirements:?}: {error}"))
        .join("package");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    std::fs::copy(fixture.join("lambda_function.py"), directory.join("lambda_function.py"))
        .expect("the handler is a fixture");
    let runtime = format!("python3.{}", crate::harness::default_minor());
    lambdabox(["invoke"]).args([directory]).args(["--runtime", &runtime, "--timeout", "60"])
}
