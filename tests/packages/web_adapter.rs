//! A web application behind AWS's Lambda Web Adapter, both unmodified.
//!
//! The adapter is an external extension that asks the Runtime API for events itself; the runtime's
//! process is the web server.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{http_event, put};
use crate::harness::{Function, Host, Invoke, default_minor, lambdabox, vendored, web_adapter};

/// What its documentation says: the handler is the script that starts the application.
const SETTINGS: [&str; 2] = ["AWS_LAMBDA_EXEC_WRAPPER=/opt/bootstrap", "PORT=8000"];

/// The application's package and the adapter's layer.
///
/// # Errors
/// Why they cannot be had.
fn parts() -> Result<(PathBuf, Function), String> {
    let adapter = web_adapter()?;
    let requirements = ["fastapi>=0.115,<1", "uvicorn>=0.30,<1"];
    let task = vendored("package-web-application", "package", &requirements)?.join("package");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/web_application");
    for name in ["app.py", "run.sh"] {
        put(&fixture, &task, name).map_err(|e| e.to_string())?;
    }
    // The layer that it publishes: itself, and the script that starts what the handler names.
    let program = std::fs::read(adapter).map_err(|e| e.to_string())?;
    let layer = Function::empty()
        .executable("extensions/lambda-adapter", program)
        .executable("bootstrap", "#!/bin/bash\nexec -- \"${LAMBDA_TASK_ROOT}/${_HANDLER}\"\n");
    Ok((task, layer))
}

fn serving(task: &Path, layer: &Function, settings: &[&str]) -> Invoke {
    let runtime = format!("python3.{}", default_minor());
    let settings = SETTINGS.iter().chain(settings).flat_map(|setting| ["--env", setting]);
    lambdabox([OsStr::new("invoke"), task.as_os_str()])
        .args([OsStr::new("--layer"), layer.path().as_os_str()])
        .args(["--runtime", &runtime, "--handler", "run.sh"])
        // By variable, so that a test may say otherwise.
        .env("LAMBDABOX_TIMEOUT", "60")
        .args(["--memory-size", "512"])
        .args(settings)
}

#[test]
fn a_web_application_answers_api_gateways_events() {
    let (task, layer) = match parts() {
        Ok(parts) => parts,
        Err(reason) => skip!("{reason}"),
    };
    let event = http_event("GET", "/hello/Ada", None);
    let run = serving(&task, &layer, &[]).args(["--repeat", "2"]).event(event).run().answered();
    let answers: Vec<Value> =
        run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reports = run.reports();
    assert_eq!((answers.len(), reports.len()), (2, 2), "{}", run.stderr);
    for (answer, report) in answers.iter().zip(reports) {
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(
            answer["cookies"],
            serde_json::json!(["a=1; Path=/; SameSite=lax", "b=2; Path=/; SameSite=lax"])
        );
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["hello"], "ADA");
        assert_eq!(body["context"]["request_id"], report.request_id.as_str());
        assert!(run.stderr.contains(&format!("serving {}\n", report.request_id)), "{}", run.stderr);
    }
    let refused = http_event("POST", "/orders", Some(r#"{"item":"tea"}"#));
    let run = serving(&task, &layer, &[]).event(refused).run().answered();
    assert_eq!(run.json()["statusCode"], 422);
    // An application that never listens: the adapter waits for it, and init's time ends.
    let run = serving(&task, &layer, &["AWS_LWA_PORT=8001"])
        .env("LAMBDABOX_INIT_LIMIT_MS", "2000")
        .args(["--timeout", "2"])
        .run()
        .failed_with("Sandbox.Timedout");
    assert!(run.stderr.contains("Phase: init\tStatus: timeout\n"), "{}", run.stderr);
}

#[test]
fn a_web_application_is_reached_through_a_functions_url_whole_and_streamed() {
    let (task, layer) = match parts() {
        Ok(parts) => parts,
        Err(reason) => skip!("{reason}"),
    };
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &["--allow-code", task.to_str().unwrap()]);
    let script = r#"
from http.client import IncompleteRead
from streamed import *
c = client(read_timeout=120)
out = io.BytesIO()
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
    for name in "extensions/lambda-adapter", "bootstrap":
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o755 << 16
        archive.writestr(info, open(f"{LAYER}/{name}", "rb").read(), zipfile.ZIP_DEFLATED)
layer = c.publish_layer_version(LayerName="adapter", Content={"ZipFile": out.getvalue()})
def deploy(name, **variables):
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "PORT": "8000", **variables}
    create(c, name, Handler="run.sh", Code={"S3Bucket": "hot-reload", "S3Key": TASK}, MemorySize=512,
           Layers=[layer["LayerVersionArn"]], Environment={"Variables": variables})
deploy("whole")
deploy("streamed", AWS_LWA_INVOKE_MODE="response_stream")
whole, streamed = url_of(c, "whole"), url_of(c, "streamed", InvokeMode="RESPONSE_STREAM")
json_type = {"Content-Type": "application/json"}
for url in whole, streamed:
    status, headers, body = visit(url, "/hello/Ada?loud=true")
    assert (status, headers["content-type"]) == (200, "application/json"), (status, headers.items(), body)
    assert json.loads(body)["hello"] == "ADA" and len(headers.get_all("set-cookie")) == 2, (headers.items(), body)
    assert json.loads(body)["context"]["request_id"] == headers["x-amzn-requestid"]
    order = json.dumps({"item": "té", "count": 2})
    status, _, body = visit(url, "/orders", "POST", order.encode(), json_type)
    assert (status, json.loads(body)) == (201, json.loads(order)), (status, body)
    assert visit(url, "/orders", "POST", b"{", json_type)[0] == 422
    assert visit(url, "/bytes")[2] == bytes(range(256))
    assert visit(url, "/nowhere")[0] == 404
    assert visit(url, "/slowly")[0::2] == (206, b"part 0\npart 1\n")
answer = connected(streamed, "/slowly")
assert (answer.status, answer.read(7)) == (206, b"part 0\n")
first = time.monotonic()
assert answer.read() == b"part 1\n" and time.monotonic() - first > 0.5
"#;
    host.python(&format!(
        "TASK, LAYER = {:?}, {:?}\n{script}",
        task.to_str().unwrap(),
        layer.path().to_str().unwrap()
    ));
}
