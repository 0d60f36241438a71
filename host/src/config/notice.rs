//! What the user should hear about although nothing is wrong.

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeLevel {
    /// Said unless quiet was asked for.
    Normal,
    /// Said only when more was asked for.
    Detail,
    /// Said always.
    Warning,
}

/// One line for standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub level: NoticeLevel,
    /// One line without its end.
    pub text: String,
}

impl Notice {
    pub(crate) fn normal(text: String) -> Self {
        Self { level: NoticeLevel::Normal, text }
    }

    pub(crate) fn detail(text: String) -> Self {
        Self { level: NoticeLevel::Detail, text }
    }

    pub(crate) fn warning(text: String) -> Self {
        Self { level: NoticeLevel::Warning, text }
    }
}
