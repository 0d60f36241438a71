//! The language folders as the build found them (`build.rs`), text included.

/// One language folder.
pub(crate) struct Folder {
    /// Name of the directory, which is the language's short name.
    pub(crate) name: &'static str,
    /// Text of its `runtime.toml`.
    pub(crate) manifest: &'static str,
    /// Its loop; custom runtimes have none.
    pub(crate) language_loop: Option<LoopFile>,
}

/// A language loop: what `/var/runtime` holds inside the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopFile {
    /// Its file name in `/var/runtime`, such as `bootstrap.py`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/folders.rs"));
