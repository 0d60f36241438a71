//! `lambdabox invoke --max-concurrency N --repeat M`: up to N invocations at once in one environment.
//!
//! An environment that fails is replaced by another for those that are left, as on Managed Instances.

use super::error::AppError;
use super::run::{EXIT_FUNCTION_FAILED, Told, invocation};
use super::timings;
use crate::config;
use crate::model::{Function, Outcome, RequestId};
use crate::pool::Environment;

/// Runs all of them; answers are written as they come. The environment has begun.
pub(super) async fn invocations(
    config: &config::Invoke,
    function: &Function,
    most: u32,
    environment: &mut Environment,
    answers: &mut Told,
) -> Result<u8, AppError> {
    let mut left = config.repeat;
    let mut running = 0;
    let mut code = 0;
    while left > 0 || running > 0 {
        let mut outcomes = Vec::new();
        let mut answer = |_: &RequestId, outcome: Outcome| {
            timings::lap("answer");
            outcomes.push(outcome);
        };
        if left > 0 && running < most && environment.idle_slots() > 0 {
            (left, running) = (left - 1, running + 1);
            environment.give(invocation(config, function), &mut answer).await?;
        } else if environment.is_over() {
            environment.begin().await?;
        } else {
            environment.step(&mut answer).await?;
        }
        for outcome in outcomes {
            running -= 1;
            if matches!(outcome, Outcome::Failed(_)) {
                code = EXIT_FUNCTION_FAILED;
            }
            match answers.write_whole(outcome) {
                // What is left of --repeat would be for nobody.
                Err(AppError::ReaderGone) => return Ok(code),
                written => written?,
            }
        }
    }
    Ok(code)
}
