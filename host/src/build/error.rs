//! Why nothing was built. Each finishes "failed to …".

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use lambdabox_runtimes::discover::DiscoverError;

/// There is no package.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// A directory of no known kind.
    #[error(
        "find a project in {}: it has none of {known}, no bootstrap, and no .py, .js, .mjs, .cjs or \
         .rb file",
        root.display()
    )]
    NoProject { root: PathBuf, known: String },
    /// A file or a zip was named.
    #[error("build {}: it is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    /// A tool is not on this machine.
    #[error("run {tool}, which builds {language}: it is not on this machine")]
    NoTool { tool: String, language: &'static str, remedy: String },
    /// The interpreter whose packages are to be installed is not there.
    #[error("choose an interpreter to install packages with: failed to {0}")]
    NoInterpreter(Box<DiscoverError>),
    /// A command ended badly; what it printed was shown.
    #[error("build {}: `{line}` ended with {status}", root.display())]
    Command { root: PathBuf, line: String, status: ExitStatus },
    /// A project's file cannot be understood.
    #[error("understand {}: {message}", file.display())]
    Unreadable { file: PathBuf, message: String },
    /// A project that makes more than one program, or is made of several.
    #[error("choose what to package of {}: there is {found}", root.display())]
    Several { root: PathBuf, found: String, remedy: String },
    /// The commands ended well and left nothing to run.
    #[error("package {}: {missing}", root.display())]
    NothingMade { root: PathBuf, missing: String, remedy: String },
    /// An output that may be somebody's work.
    #[error("write {}: it is there already and lambdabox has not made it", path.display())]
    NotOurs { path: PathBuf },
    /// The file system refused.
    #[error("{doing} {}", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// A zip could not be written.
    #[error("write {}", path.display())]
    Zip { path: PathBuf, source: zip::result::ZipError },
}

impl BuildError {
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    /// Whether a build command said no, and not the surroundings.
    pub(crate) fn is_of_the_project(&self) -> bool {
        matches!(self, Self::Command { .. } | Self::NothingMade { .. })
    }

    /// What mends it.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::NoTool { remedy, .. }
            | Self::Several { remedy, .. }
            | Self::NothingMade { remedy, .. } => Some(remedy.clone()),
            Self::NoProject { .. } => Some(
                "name the project's directory, or say how it is built: --build-cmd 'make' runs there \
                 and puts the package into $ARTIFACTS_DIR"
                    .to_owned(),
            ),
            Self::NotOurs { .. } => {
                Some("name another --output, or remove that one first".to_owned())
            }
            _ => None,
        }
    }
}
