//! `Runtime`: what this host runs, what it does not yet, and what AWS does not take any more.
//!
//! # Sources
//! `reference/lambda-service.md` sections 4 and 5.

use lambdabox_runtimes::{Catalogue, Identifier, UnknownRuntime};

use super::super::error::ApiError;

/// What is about to be done with the runtime; each has a day from which AWS refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Create,
    Update,
}

/// What should be said about a runtime that is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Current,
    /// Since this day AWS calls it deprecated.
    Deprecated(String),
}

/// Whether functions may have this runtime today (`YYYY-MM-DD`).
pub(super) fn check(runtime: &str, intent: Intent, today: &str) -> Result<Taken, ApiError> {
    let catalogue = Catalogue::embedded();
    match catalogue.find(runtime) {
        Ok((_, Some(identifier))) => dated(identifier, intent, today),
        Err(UnknownRuntime::Retired { .. }) => Err(no_longer(runtime)),
        Err(UnknownRuntime::Later { language, .. }) => Err(ApiError::invalid(format!(
            "lambdabox does not run {runtime} yet: {language} comes in a later release. It runs \
             {}.",
            catalogue.known()
        ))),
        // A bare language is lambdabox's own word for the command line.
        Ok((_, None)) | Err(UnknownRuntime::NoSuch { .. }) => Err(ApiError::invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum \
             value set: [{}] or be a valid ARN",
            catalogue.known()
        ))),
    }
}

/// By the identifier's three days; ISO dates are in the order of their text.
fn dated(identifier: &Identifier, intent: Intent, today: &str) -> Result<Taken, ApiError> {
    let since = |day: &Option<String>| day.as_deref().is_some_and(|day| day <= today);
    let blocked = match intent {
        Intent::Create => &identifier.block_create,
        Intent::Update => &identifier.block_update,
    };
    if since(blocked) {
        return Err(no_longer(&identifier.name));
    }
    Ok(match &identifier.deprecation {
        Some(day) if since(&identifier.deprecation) => Taken::Deprecated(day.clone()),
        _ => Taken::Current,
    })
}

fn no_longer(runtime: &str) -> ApiError {
    ApiError::invalid(format!(
        "The runtime parameter of {runtime} is no longer supported for creating or updating AWS \
         Lambda functions. We recommend you use a supported runtime while creating or updating \
         functions."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_three_days_has_its_own_effect() {
        let identifier = Identifier {
            name: "python3.0".to_owned(),
            version: None,
            deprecation: Some("2026-01-01".to_owned()),
            block_create: Some("2026-02-01".to_owned()),
            block_update: Some("2026-03-01".to_owned()),
        };
        let on = |intent, today| dated(&identifier, intent, today).ok();
        assert_eq!(on(Intent::Create, "2025-12-31"), Some(Taken::Current));
        let deprecated = Some(Taken::Deprecated("2026-01-01".to_owned()));
        assert_eq!(on(Intent::Create, "2026-01-31"), deprecated);
        assert_eq!(on(Intent::Create, "2026-02-01"), None);
        assert_eq!(on(Intent::Update, "2026-02-01"), deprecated);
        assert_eq!(on(Intent::Update, "2026-03-01"), None);
    }

    #[test]
    fn retired_and_unknown_runtimes_are_refused_in_awss_words() {
        let text = |runtime| {
            let error = check(runtime, Intent::Create, "2026-01-01").unwrap_err();
            String::from_utf8(error.body()).unwrap()
        };
        assert!(text("python3.8").contains("The runtime parameter of python3.8 is no longer"));
        assert!(text("perl5").contains("Value perl5 at 'runtime' failed to satisfy constraint"));
        assert!(text("python").contains("Value python at 'runtime'"));
        assert_eq!(check("python3.11", Intent::Create, "2026-01-01").ok(), Some(Taken::Current));
    }
}
