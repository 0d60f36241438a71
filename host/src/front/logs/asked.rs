//! What a request asks for, checked as this service does, and what its names mean.

use super::super::members::Members;
use super::super::state::Front;
use super::error::LogsError;

/// Whose groups are functions'.
const FUNCTIONS: &str = "/aws/lambda/";

/// A request's members, checked as this service does.
pub(super) struct Asked(pub(super) Members);

impl Asked {
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, LogsError> {
        Ok(self.0.text(name).map_err(LogsError::of_members)?.map(str::to_owned))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, LogsError> {
        self.0.texts(name).map_err(LogsError::of_members)
    }

    pub(super) fn is_set(&self, name: &str) -> Result<bool, LogsError> {
        Ok(self.0.boolean(name).map_err(LogsError::of_members)?.unwrap_or(false))
    }

    /// Milliseconds since the epoch.
    pub(super) fn moment(&self, name: &str) -> Result<Option<u64>, LogsError> {
        let Some(number) = self.0.integer(name).map_err(LogsError::of_members)? else {
            return Ok(None);
        };
        let moment = u64::try_from(number).map_err(|_| {
            LogsError::validation(
                name,
                &number.to_string(),
                "Member must have value greater than or \
                                                              equal to 0",
            )
        })?;
        Ok(Some(moment))
    }

    pub(super) fn limit(&self, most: usize) -> Result<usize, LogsError> {
        let number = self.0.integer("limit").map_err(LogsError::of_members)?;
        let Some(number) = number else { return Ok(most) };
        let rule = |rule: &str| Err(LogsError::validation("limit", &number.to_string(), rule));
        match usize::try_from(number) {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            Ok(limit) if limit > most => {
                rule(&format!("Member must have value less than or equal to {most}"))
            }
            _ => rule("Member must have value greater than or equal to 1"),
        }
    }

    /// The group that is meant, by its name or its ARN.
    pub(super) fn group(&self) -> Result<String, LogsError> {
        match (self.text("logGroupName")?, self.text("logGroupIdentifier")?) {
            (Some(_), Some(_)) => Err(LogsError::invalid(
                "LogGroup name and LogGroup identifier can not be both present in the request.",
            )),
            (Some(name), None) => Ok(name),
            (None, Some(identifier)) => Ok(name_of(&identifier)),
            (None, None) => Err(LogsError::invalid(
                "Either logGroupName or logGroupIdentifier must be specified",
            )),
        }
    }
}

/// `…:log-group:NAME` or `…:log-group:NAME:*` is NAME.
pub(super) fn name_of(identifier: &str) -> String {
    let name = identifier.split_once(":log-group:").map_or(identifier, |(_, name)| name);
    name.strip_suffix(":*").unwrap_or(name).to_owned()
}

/// Without `:*`.
pub(super) fn arn(front: &Front, group: &str) -> String {
    let identity = front.identity();
    format!("arn:aws:logs:{}:{}:log-group:{group}", identity.region, identity.account)
}

/// A group without events: a function that has not run.
pub(super) async fn is_function(front: &Front, group: &str) -> bool {
    match group.strip_prefix(FUNCTIONS) {
        Some(name) => front.deployed.find(name).await.is_ok(),
        None => false,
    }
}
