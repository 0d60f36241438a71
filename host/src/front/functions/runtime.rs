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
        // The only identifier of a language without a folder is `go1.x`, which AWS has retired.
        Err(UnknownRuntime::Retired { .. } | UnknownRuntime::Later { .. }) => {
            Err(no_longer(runtime))
        }
        // A bare language is lambdabox's own word for the command line.
        Ok((_, None)) | Err(UnknownRuntime::NoSuch { .. }) => Err(ApiError::invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum \
             value set: [{}] or be a valid ARN",
            catalogue.known()
        ))),
    }
}

/// Whether a snapshot of this runtime can be asked for.
pub(super) fn check_snap_start(runtime: &str, apply_on: &str) -> Result<(), ApiError> {
    // `java21`, `java11.al2023`, `python3.13`: the first number is what counts.
    let since = |family: &str, first: u32| {
        let rest = runtime.strip_prefix(family);
        let number = rest.and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
        number.is_some_and(|number| number >= first)
    };
    match apply_on == "None" || since("java", 11) || since("python3.", 12) || since("dotnet", 8) {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "{runtime} is not supported for SnapStart enabled functions."
        ))),
    }
}

/// Whether AWS has, or had, a runtime of this name: what a layer can say it is for.
pub(in super::super) fn is_awss(runtime: &str) -> bool {
    !matches!(
        Catalogue::embedded().find(runtime),
        Ok((_, None)) | Err(UnknownRuntime::NoSuch { .. })
    )
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
    fn snapshots_are_for_newer_runtimes_of_three_languages() {
        for (runtime, takes) in [
            ("java11", true),
            ("java11.al2023", true),
            ("java8.al2", false),
            ("java25", true),
            ("python3.11", false),
            ("python3.12", true),
            ("dotnet6", false),
            ("dotnet8", true),
            ("dotnetcore3.1", false),
            ("nodejs22.x", false),
            ("provided.al2023", false),
        ] {
            assert_eq!(check_snap_start(runtime, "PublishedVersions").is_ok(), takes, "{runtime}");
            assert!(check_snap_start(runtime, "None").is_ok());
        }
    }

    #[test]
    fn every_runtime_of_the_service_model_is_awss() {
        // But `nodejs` (0.10), `nodejs4.3-edge` and `custom`, which nobody's layer is for.
        for runtime in [
            "nodejs4.3",
            "nodejs10.x",
            "nodejs26.x",
            "python2.7",
            "python3.6",
            "python3.15",
            "java8",
            "java8.al2",
            "java17.al2023",
            "java25",
            "dotnetcore1.0",
            "dotnetcore3.1",
            "dotnet6",
            "dotnet10",
            "go1.x",
            "ruby2.5",
            "ruby4.0",
            "provided",
            "provided.al2023",
        ] {
            assert!(is_awss(runtime), "{runtime}");
        }
        for other in ["python", "perl5", "", "python4"] {
            assert!(!is_awss(other), "{other}");
        }
    }

    #[test]
    fn retired_and_unknown_runtimes_are_refused_in_awss_words() {
        let text = |runtime| {
            let error = check(runtime, Intent::Create, "2026-01-01").unwrap_err();
            String::from_utf8(error.body()).unwrap()
        };
        assert!(text("python3.8").contains("The runtime parameter of python3.8 is no longer"));
        assert!(text("go1.x").contains("The runtime parameter of go1.x is no longer"));
        assert!(text("perl5").contains("Value perl5 at 'runtime' failed to satisfy constraint"));
        assert!(text("python").contains("Value python at 'runtime'"));
        assert_eq!(check("python3.11", Intent::Create, "2026-01-01").ok(), Some(Taken::Current));
    }
}
