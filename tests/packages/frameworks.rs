//! FastAPI through mangum, and AWS Lambda Powertools.

use serde_json::{Value, json};

use super::{http_event, package};

#[test]
fn fastapi_answers_through_mangum() {
    let call = |method: &str, path: &str, body: Option<&str>| {
        let run = package("fastapi", &["fastapi>=0.115,<1", "mangum>=0.19,<1"])
            .args(["--memory-size", "512"])
            .event(http_event(method, path, body))
            .run()
            .answered();
        let answer = run.json();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        (answer["statusCode"].clone(), body)
    };
    assert_eq!(call("GET", "/hello/Ada", None), (json!(200), json!({"hello": "ADA"})));
    let order = Some(r#"{"item":"tea","count":2}"#);
    assert_eq!(call("POST", "/orders", order), (json!(201), json!({"item": "tea", "count": 2})));
    let (status, _) = call("POST", "/orders", Some(r#"{"item":"tea"}"#));
    assert_eq!(status, 422);
}

#[test]
fn powertools_logs_and_handles_batches() {
    let record = |id: &str, body: &str| {
        json!({"messageId": id, "receiptHandle": "r", "body": body, "attributes": {},
               "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
               "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders",
               "awsRegion": "us-east-1"})
    };
    let event = json!({"Records": [record("one", "{\"n\": 1}"), record("two", "{\"n\": -1}")]});
    let run = package("powertools", &["aws-lambda-powertools>=3,<4"])
        .args(["--memory-size", "512"])
        .args(["--env", "POWERTOOLS_SERVICE_NAME=shop", "--env", "POWERTOOLS_TRACE_DISABLED=true"])
        .event(event.to_string())
        .run()
        .answered();
    assert_eq!(run.json(), json!({"batchItemFailures": [{"itemIdentifier": "two"}]}));
    let line = run.stderr.lines().find(|line| line.contains("\"message\":\"handling\""));
    let record: Value = serde_json::from_str(line.expect("a structured record")).unwrap();
    assert_eq!(record["service"], "shop");
    assert_eq!(record["cold_start"], true);
    assert_eq!(record["function_request_id"], run.report().request_id.as_str());
}
