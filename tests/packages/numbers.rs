//! Native wheels: numpy, and pydantic with its core in Rust.

use serde_json::json;

use super::package;

#[test]
fn numpy_computes() {
    let run = package("numpy", &["numpy>=1.26,<3"])
        .args(["--memory-size", "512"])
        .event(r#"{"matrix": [[2, 0], [0, 4]]}"#)
        .run()
        .answered();
    assert_eq!(run.json(), json!({"inverse": [[0.5, 0.0], [0.0, 0.25]], "sum": 499_500}));
}

#[test]
fn pydantic_validates() {
    let command = || package("pydantic", &["pydantic>=2,<3"]).args(["--memory-size", "256"]);
    let run = command().event(r#"{"item": "tea", "count": "3", "price": "1.10"}"#).run().answered();
    assert_eq!(run.json(), json!({"item": "tea", "count": 3, "total": "3.30"}));
    let run = command().event(r#"{"item": "tea", "count": -1, "price": "1"}"#).run();
    let run = run.failed_with("ValidationError");
    let body = run.json();
    assert!(body["errorMessage"].as_str().unwrap().contains("greater than 0"), "{body}");
}
