//! The language loop on disk: text, compiled form and archive of classes, once per interpreter.
//!
//! # Invariants
//! - A directory appears whole, by a rename, so instances that start together do not meet.
//! - An interpreter is run on the host only if its owner is root or the caller: under sudo, a file
//!   of somebody else's home must not run as root.
//!
//! # Sources
//! `reference/performance.md` 2.5; compiling the loop at each start took half of it.

use std::fs::{self, DirBuilder, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lambdabox_runtimes::discover::{self, Interpreter, Search};
use lambdabox_runtimes::{EntryInputs, Language};

use super::error::AppError;

/// Readable by every environment.
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A directory to be shown as `/var/runtime`.
pub(super) struct LoopHome {
    pub(super) directory: PathBuf,
    /// The file in it that starts fastest.
    pub(super) entry: String,
}

/// Makes a directory that everybody may enter, with its parents.
pub(super) fn make_directory(path: &Path) -> Result<(), AppError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE)))
        .map_err(|source| AppError::Write { path: path.to_owned(), source })
}

/// The loop for this interpreter; `None` for a language without one.
pub(super) fn home(
    data_dir: &Path,
    language: &Language,
    interpreter: &Interpreter,
) -> Result<Option<LoopHome>, AppError> {
    let Some(file) = language.language_loop else { return Ok(None) };
    let all = data_dir.join("loops");
    let failed = |source| AppError::Write { path: all.clone(), source };
    let program = fs::metadata(&interpreter.executable).map_err(failed)?;
    let mut key = DefaultHasher::new();
    (file.text, &interpreter.executable, &interpreter.version).hash(&mut key);
    (program.mtime(), program.size()).hash(&mut key);
    let name = format!("{}-{:016x}", interpreter.identifier, key.finish());
    let directory = all.join(name);
    if !directory.join(file.name).exists() {
        make_directory(&all)?;
        make(&all, &directory, language, interpreter, &program).map_err(failed)?;
    }
    let compiled = language.entry.compiled.as_ref().filter(|name| directory.join(name).exists());
    if let (None, Some(what)) = (&compiled, &language.entry.compiled_only) {
        let path = interpreter.executable.display();
        // Tried anew next time, when there may be a compiler.
        fs::remove_dir_all(&directory).map_err(failed)?;
        return Err(AppError::Usage {
            message: format!("{what}, and {path} could not do it"),
            hint: Some(language.interpreter.advice.replace("{version}", &interpreter.release)),
        });
    }
    let entry = compiled.cloned().unwrap_or_else(|| file.name.to_owned());
    Ok(Some(LoopHome { directory, entry }))
}

fn make(
    all: &Path,
    directory: &Path,
    language: &Language,
    interpreter: &Interpreter,
    program: &fs::Metadata,
) -> io::Result<()> {
    let Some(file) = language.language_loop else { return Ok(()) };
    let temporary = tempfile::Builder::new().prefix(".making-").tempdir_in(all)?;
    let source = temporary.path().join(file.name);
    write_readable(&source, file.text)?;
    if let Some(compiled) = &language.entry.compiled
        && is_trusted(program)
    {
        let target = temporary.path().join(compiled);
        if !compiled_by_any(language, interpreter, &source, &target)? && target.exists() {
            fs::remove_file(&target)?;
        }
        if target.exists() {
            finish(language, interpreter, &source, &target)?;
        }
        for entry in fs::read_dir(temporary.path())? {
            fs::set_permissions(entry?.path(), Permissions::from_mode(FILE_MODE))?;
        }
    }
    fs::set_permissions(temporary.path(), Permissions::from_mode(DIRECTORY_MODE))?;
    match fs::rename(temporary.path(), directory) {
        // Another instance was faster; its directory holds the same.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
            ) =>
        {
            Ok(())
        }
        Ok(()) => {
            // It has another name now; nothing is left to remove.
            let _moved = temporary.keep();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn write_readable(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, Permissions::from_mode(FILE_MODE))
}

fn is_trusted(program: &fs::Metadata) -> bool {
    let owner = program.uid();
    (owner == 0 || owner == rustix::process::geteuid().as_raw())
        && program.mode() & WRITABLE_BY_OTHERS == 0
}

/// By the interpreter itself, else, where the language allows it, by another one of this machine: a Java
/// 8 or a mere JRE has no compiler that could do it.
fn compiled_by_any(
    language: &Language,
    interpreter: &Interpreter,
    source: &Path,
    target: &Path,
) -> io::Result<bool> {
    if compile(language, interpreter, source, target)? {
        return Ok(true);
    }
    if !language.entry.compiles_for_all {
        return Ok(false);
    }
    for other in discover::all(language, &Search::from_environment()) {
        let trusted = fs::metadata(&other.executable).is_ok_and(|program| is_trusted(&program));
        if trusted && compile(language, &other, source, target)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// False if the interpreter will not: then the text itself is run, slower and as well.
fn compile(
    language: &Language,
    interpreter: &Interpreter,
    source: &Path,
    target: &Path,
) -> io::Result<bool> {
    with_inputs(interpreter, source, target, |inputs| run(language.entry.compile(inputs)))
}

/// What only makes starts faster; nothing depends on it.
fn finish(
    language: &Language,
    interpreter: &Interpreter,
    source: &Path,
    target: &Path,
) -> io::Result<bool> {
    with_inputs(interpreter, source, target, |inputs| run(language.entry.finish(inputs)))
}

fn with_inputs<T>(
    interpreter: &Interpreter,
    source: &Path,
    target: &Path,
    then: impl FnOnce(EntryInputs<'_>) -> T,
) -> T {
    let executable = interpreter.executable.to_string_lossy();
    let prefix = interpreter.prefix.to_string_lossy();
    let (source, target) = (source.to_string_lossy(), target.to_string_lossy());
    then(EntryInputs {
        interpreter: Some(&executable),
        prefix: Some(&prefix),
        version: Some(&interpreter.version),
        compilation: Some((&source, &target)),
        ..EntryInputs::default()
    })
}

/// True if there is a command and it succeeded.
fn run(argv: Option<Vec<String>>) -> io::Result<bool> {
    let Some(argv) = argv else { return Ok(false) };
    let Some((program, arguments)) = argv.split_first() else { return Ok(false) };
    let status = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(status.success())
}
