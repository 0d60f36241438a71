//! Do the libraries people use run? Real handlers, their dependencies vendored by pip at test time.
//!
//! # Not here
//! Which SDK is offered when none is vendored (`conformance::sdk`).

mod build;
mod frameworks;
mod numbers;
mod sdk;
mod streams;
mod templates;
mod vendor;
mod web_adapter;

use std::path::Path;

use crate::harness::{Invoke, lambdabox, vendored};

/// `invoke` of a package: these requirements in one directory, with a handler of `tests/fixtures`.
fn package(name: &str, requirements: &[&str]) -> Invoke {
    let directory = vendored(&format!("package-{name}"), "package", requirements);
    let directory = directory
        .unwrap_or_else(|error| panic!("{name}: pip could not vendor {requirements:?}: {error}"))
        .join("package");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    put(&fixture, &directory, "lambda_function.py").expect("the handler is a fixture");
    let runtime = format!("python3.{}", crate::harness::default_minor());
    lambdabox(["invoke"]).args([directory]).args(["--runtime", &runtime, "--timeout", "60"])
}

/// Copies a file of `fixture` into a package that several tests may be running at the time: it is whole
/// at every moment.
fn put(fixture: &Path, package: &Path, name: &str) -> std::io::Result<()> {
    let beside = tempfile::NamedTempFile::new_in(package.parent().expect("a package has a root"))?;
    std::fs::copy(fixture.join(name), beside.path())?;
    beside.persist(package.join(name))?;
    Ok(())
}

/// An API Gateway HTTP API event (payload format 2.0) for this request.
fn http_event(method: &str, path: &str, body: Option<&str>) -> String {
    serde_json::json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "loud=true",
        "headers": {"host": "example.test", "content-type": "application/json"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                     "sourceIp": "192.0.2.1", "userAgent": "e2e"},
            "stage": "$default",
        },
        "body": body, "isBase64Encoded": false,
    })
    .to_string()
}
