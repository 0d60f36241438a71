//! The language loop on disk: text, and compiled form, once per interpreter.
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

use lambdabox_runtimes::discover::Interpreter;
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
    (file.text, &interpreter.executable, program.mtime(), program.size()).hash(&mut key);
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
        if !compile(language, interpreter, &source, &target)? && target.exists() {
            fs::remove_file(&target)?;
        }
        if target.exists() {
            fs::set_permissions(&target, Permissions::from_mode(FILE_MODE))?;
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

/// False if the interpreter will not: then the text itself is run, slower and as well.
fn compile(
    language: &Language,
    interpreter: &Interpreter,
    source: &Path,
    target: &Path,
) -> io::Result<bool> {
    let executable = interpreter.executable.to_string_lossy();
    let (source, target) = (source.to_string_lossy(), target.to_string_lossy());
    let inputs = EntryInputs {
        interpreter: Some(&executable),
        compilation: Some((&source, &target)),
        ..EntryInputs::default()
    };
    let Some(argv) = language.entry.compile(inputs) else { return Ok(false) };
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
