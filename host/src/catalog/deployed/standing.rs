//! Where a function stands, and what may be done with it there.
//!
//! # Sources
//! `reference/lambda-service.md` section 6.

use super::error::DeployError;
use super::functions::Deployed;
use crate::store::{FunctionRecord, LastUpdate, State, UpdateStatus};

impl Deployed {
    /// Whether a function may be changed by somebody who has seen `revision`, if they say so.
    ///
    /// # Errors
    /// [`DeployError::Stale`] and [`DeployError::Busy`]; [`DeployError::NotActive`] while it is being
    /// made.
    pub fn check_changeable(
        record: &FunctionRecord,
        revision: Option<&str>,
    ) -> Result<(), DeployError> {
        let name = record.name.clone();
        if revision.is_some_and(|revision| revision != record.revision) {
            return Err(DeployError::Stale { name });
        }
        if let (State::Pending, Some(state)) = (&record.state, record.state.in_the_way()) {
            return Err(DeployError::NotActive { name, state });
        }
        if is_under_way(record) { Err(DeployError::Busy { name }) } else { Ok(()) }
    }

    /// Whether a function can run.
    ///
    /// # Errors
    /// [`DeployError::NotActive`].
    pub fn check_invocable(record: &FunctionRecord) -> Result<(), DeployError> {
        match record.state.in_the_way() {
            None => Ok(()),
            Some(state) => Err(DeployError::NotActive { name: record.name.clone(), state }),
        }
    }
}

/// Whether it is still to be made to serve.
pub(super) fn is_under_way(record: &FunctionRecord) -> bool {
    let updating = |update: &LastUpdate| update.status == UpdateStatus::InProgress;
    record.state == State::Pending || record.update.as_ref().is_some_and(updating)
}
