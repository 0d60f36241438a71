//! Why no interpreter can be offered, and what to do about it.

/// No interpreter that fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// The identifier is not one of this language.
    #[error("find an interpreter for {identifier}: it is no Python runtime; there are {known}")]
    NotPython {
        /// As asked for.
        identifier: String,
        /// What there is.
        known: String,
    },
    /// Nothing on this machine has the version asked for.
    #[error(
        "find an interpreter for {identifier}: this machine has {found}{notes}; to get it: \
         `apt-get install {identifier}` where the distribution has it, or `pyenv install {version}`, \
         or `uv python install {version}`"
    )]
    Missing {
        /// As asked for.
        identifier: String,
        /// Its `X.Y`.
        version: String,
        /// What was found instead, or `no Python that serves a runtime of AWS`.
        found: String,
        /// What was found and could not be used, each with the reason.
        notes: Notes,
    },
    /// Nothing on this machine serves any identifier.
    #[error(
        "find a Python interpreter: this machine has none that serves a runtime of AWS \
         ({known}){notes}; to get one: `apt-get install python3`, or `pyenv install {suggested}`, \
         or `uv python install {suggested}`"
    )]
    NoneAtAll {
        /// What there is to serve.
        known: String,
        /// A version to install.
        suggested: String,
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
