//! Why runtime or handler cannot be worked out. Each finishes "failed to …" and says what to pass.

use std::path::PathBuf;

use lambdabox_runtimes::UnknownRuntime;

/// Runtime or handler cannot be worked out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// `--runtime` names nothing that can be had.
    #[error(transparent)]
    Runtime(#[from] UnknownRuntime),
    /// A language of a later release.
    #[error(
        "run {file}: {language} comes in a later release of lambdabox; this one has {known}. An \
         executable named bootstrap can be anything already"
    )]
    Later {
        /// The file that tells.
        file: PathBuf,
        /// Its language.
        language: &'static str,
        /// What there is.
        known: String,
    },
    /// `bootstrap` without its executable bit.
    #[error("run {file}: it is not executable; {remedy}")]
    NotExecutable {
        /// The file.
        file: PathBuf,
        /// How to make it so.
        remedy: &'static str,
    },
    /// A project that has to be built first.
    #[error(
        "run {file}'s project as it is: it has to be built first; add --build, or run what `lambdabox \
         build` makes of it"
    )]
    NotBuilt {
        /// The file of its tool.
        file: PathBuf,
    },
    /// A source file without a project whose tool would be known.
    #[error(
        "run {file}: {language} has to be compiled first; --build does it where the project's file is \
         (such as pom.xml, *.csproj, go.mod, Cargo.toml), and --build-cmd by a command of your own \
         that puts the package into $ARTIFACTS_DIR"
    )]
    NotCompiled {
        /// The file.
        file: PathBuf,
        /// Its language.
        language: &'static str,
    },
    /// A language that no runtime of AWS runs as it is written.
    #[error(
        "run {file}: TypeScript has to become JavaScript first, on AWS too; for example: npx esbuild \
         {file} --bundle --platform=node --outfile=index.js"
    )]
    TypeScript {
        /// The file.
        file: PathBuf,
    },
    /// A file of no language.
    #[error(
        "run {file}: its name tells no runtime; give a .py or .js file, a directory or zip, name a \
         custom runtime's program bootstrap, or say --runtime and --handler ({known})"
    )]
    UnknownFile {
        /// The file.
        file: PathBuf,
        /// What there is.
        known: String,
    },
    /// A file whose name no handler can hold.
    #[error(
        "run {file}: a handler is MODULE.FUNCTION, so the file's name must not hold a dot; rename it"
    )]
    UnusableName {
        /// The file.
        file: PathBuf,
    },
    /// A module without a function of a usual name.
    #[error("choose a handler in {file}: it has neither {wanted}; {remedy}")]
    NoFunction {
        /// The file.
        file: PathBuf,
        /// Names looked for.
        wanted: String,
        /// What to pass.
        remedy: String,
    },
    /// Nothing that looks like a function.
    #[error(
        "find a handler in {root}: there is no {wanted}, and no executable bootstrap; {remedy}"
    )]
    NothingFound {
        /// The package.
        root: PathBuf,
        /// Files looked for.
        wanted: String,
        /// What to pass.
        remedy: String,
    },
}
