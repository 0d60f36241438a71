//! A first function: greets whoever the event names.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event {
    name: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    message: String,
}

async fn greet(event: LambdaEvent<Event>) -> Result<Answer, Error> {
    let name = event.payload.name.unwrap_or_else(|| "world".to_owned());
    tracing::info!("greeting {name}");
    Ok(Answer { message: format!("Hello, {name}!") })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    run(service_fn(greet)).await
}
