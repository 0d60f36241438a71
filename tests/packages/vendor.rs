//! Extensions as vendors publish them: a layer that is used as it is.

use std::ffi::OsStr;

use serde_json::Value;

use crate::harness::{Function, invoke, npm_package};

/// Serverless' OpenTelemetry extension: external, on the Extensions and Logs APIs, with a wrapper that
/// instruments the function.
const OTEL: &str = "@serverless/aws-lambda-otel-extension-dist";

#[test]
fn a_published_opentelemetry_extension_reports_every_invocation() {
    let package = match npm_package(OTEL, "0.1.11") {
        Ok(package) => package,
        Err(reason) => skip!("{reason}"),
    };
    let function = Function::empty()
        .file("index.js", "exports.handler = async (event, context) => context.awsRequestId;\n");
    let run = invoke(&function)
        .args([OsStr::new("--layer"), package.join("extension.zip").as_os_str()])
        .args(["--runtime", "nodejs", "--handler", "index.handler", "--runtime-compat", "near"])
        .args(["--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/otel-extension/otel-handler"])
        // Without an address it writes what it would send.
        .args(["--env", "SLS_OTEL_REPORT_TYPE=json", "--function-name", "watched"])
        .args(["--memory-size", "512", "--timeout", "60", "--repeat", "2"])
        .run()
        .answered();
    let reports = run.reports();
    assert_eq!(reports.len(), 2, "{}", run.stderr);
    let lines = |kind: &str| -> Vec<Value> {
        let begin = format!("[{{\"{kind}\"");
        let lines = run.stderr.lines().filter(|line| line.starts_with(&begin));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (spans, metrics) = (lines("resourceSpans"), lines("resourceMetrics"));
    for report in &reports {
        let id = report.request_id.as_str();
        assert_eq!(spans.iter().filter(|sent| sent.to_string().contains(id)).count(), 1, "{id}");
        assert!(metrics.iter().any(|sent| sent.to_string().contains(id)), "{id}");
    }
    assert!(spans.iter().all(|sent| sent.to_string().contains("\"watched\"")), "{spans:?}");
    // The last REPORT reaches it when the environment ends.
    let (_, after) = run.stderr.rsplit_once("REPORT RequestId").unwrap();
    assert!(after.contains("[{\"resourceMetrics\""), "{}", run.stderr);
}
