//! Why no interpreter can be offered, and what to do about it.

/// No interpreter that fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// The identifier is not one of this language.
    #[error("find an interpreter for {identifier}: it is no {language} runtime; there are {known}")]
    OtherLanguage {
        /// As asked for.
        identifier: String,
        /// The language looked for.
        language: String,
        /// What there is.
        known: String,
    },
    /// Nothing on this machine has the version asked for.
    #[error(
        "find an interpreter for {identifier}: this machine has {found}{notes}; to get it: \
         {advice}{near}"
    )]
    Missing {
        /// As asked for.
        identifier: String,
        /// What was found instead, or `no Python that serves a runtime of AWS`.
        found: String,
        /// What was found and could not be used, each with the reason.
        notes: Notes,
        /// Commands that install it.
        advice: String,
        /// What could stand in for it, or nothing.
        near: String,
    },
    /// Nothing on this machine serves any identifier.
    #[error(
        "find a {language} interpreter: this machine has none that serves a runtime of AWS \
         ({known}){notes}; to get one: {advice}"
    )]
    NoneAtAll {
        /// The language looked for.
        language: String,
        /// What there is to serve.
        known: String,
        /// Commands that install one.
        advice: String,
        /// What was found and could not be used, each with the reason.
        notes: Notes,
    },
}

/// Files that looked like interpreters and were passed over, with reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(pub Vec<String>);

impl Notes {
    /// Adds a reason once, however many names lead to the same file.
    pub(super) fn add(&mut self, reason: String) {
        if !self.0.contains(&reason) {
            self.0.push(reason);
        }
    }
}

impl std::fmt::Display for Notes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, " (passed over: {})", self.0.join("; "))
    }
}
