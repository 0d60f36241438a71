//! The cases, by what they are about. Each holds for every language.

pub(super) mod ends;
pub(super) mod events;
pub(super) mod failures;
pub(super) mod life;
pub(super) mod surroundings;
