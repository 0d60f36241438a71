//! Languages AWS has and this release does not run: known only to say so clearly.
//!
//! A language that gets its folder is found in the catalogue first; its row here then goes.

/// A language of a later release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// What people call it.
    pub name: &'static str,
    /// How AWS's identifiers for it begin.
    identifier_prefix: &'static str,
    /// Endings of its source or program files.
    extensions: &'static [&'static str],
}

/// Source: the runtimes list of `reference/lambda-service.md` section 4.
const LATER: &[Later] = &[Later { name: "Go", identifier_prefix: "go1.", extensions: &["go"] }];

/// The later language an AWS identifier names.
pub fn later_by_identifier(identifier: &str) -> Option<Later> {
    LATER.iter().copied().find(|later| identifier.starts_with(later.identifier_prefix))
}

/// The later language a file ending belongs to.
pub fn later_by_extension(extension: &str) -> Option<Later> {
    LATER.iter().copied().find(|later| later.extensions.contains(&extension))
}
