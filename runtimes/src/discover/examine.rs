//! From a file that may be a Python to an [`Interpreter`]; and what is the same for every language.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Interpreter;
use super::choose::identifier_of;
use super::places::full_version;
use super::search::Search;
use super::{probe, pyenv, python};
use crate::packages::{VenvConfig, site_directories, venv_site_directories};

/// A virtual environment may be made from another one; more than this is a circle.
const MAX_DEPTH: usize = 8;

/// Whether a file nobody can read off may be run to ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    /// It stands on the search path: the caller would run it too.
    Allowed,
    /// It was found by looking around, perhaps in another user's home.
    Forbidden,
}

/// Why a file is not offered.
#[derive(Debug)]
pub(super) enum Rejected {
    /// It is not there, or not a program: nothing to speak of.
    Absent,
    /// It is there and cannot serve; the reason is worth a note.
    Unusable(String),
}

/// Examines one file.
pub(super) fn examine(
    file: &Path,
    search: &Search,
    running: Running,
) -> Result<Interpreter, Rejected> {
    let mut found = examine_at_depth(file, search, running, 0)?;
    found.found_at = file.to_owned();
    Ok(found)
}

fn examine_at_depth(
    file: &Path,
    search: &Search,
    running: Running,
    depth: usize,
) -> Result<Interpreter, Rejected> {
    if depth > MAX_DEPTH {
        return Err(unusable(file, "leads in a circle"));
    }
    if !is_program(file) {
        return Err(Rejected::Absent);
    }
    if let Some(venv) = venv_of(file) {
        return of_venv(&venv, search, running, depth);
    }
    if is_script(file) {
        if let Some(root) = pyenv::root_of_shim(file) {
            // pyenv itself would refuse here; another candidate may do better.
            let program = pyenv::resolve(file, root, search).ok_or(Rejected::Absent)?;
            return examine_at_depth(&program, search, running, depth + 1);
        }
    } else if let Some(found) = read_off(file, search)? {
        return Ok(found);
    }
    match running {
        Running::Allowed => asked(file, search, depth),
        Running::Forbidden => {
            Err(unusable(file, "cannot be told without running it, and is not on PATH"))
        }
    }
}

/// A program whose standard library stands where CPython looks for it: `lib/pythonX.Y/os.py` in a
/// directory above the program.
fn read_off(file: &Path, search: &Search) -> Result<Option<Interpreter>, Rejected> {
    let Ok(executable) = fs::canonicalize(file) else { return Ok(None) };
    let Some(name) = executable.file_name().and_then(|name| name.to_str()) else {
        return Ok(None);
    };
    let Some(suffix) = name.strip_prefix("python") else { return Ok(None) };
    for prefix in executable.ancestors().skip(2).take(2) {
        let minor = match suffix {
            "" | "3" => only_library(prefix),
            exact => Some(exact.to_owned()),
        };
        let Some(minor) = minor else { continue };
        if library_in(prefix, &minor) {
            let version = full_version(&executable, &minor).unwrap_or_else(|| minor.clone());
            let prefix = prefix.to_owned();
            return interpreter(&minor, version, executable, prefix, search).map(Some);
        }
    }
    Ok(None)
}

/// Runs the file and believes what it says.
fn asked(file: &Path, search: &Search, depth: usize) -> Result<Interpreter, Rejected> {
    let answer = probe::ask(file, &search.cwd, search.time_scale)
        .map_err(|reason| unusable(file, &reason))?;
    if answer.implementation != "cpython" {
        return Err(unusable(file, &format!("is {}, not CPython", answer.implementation)));
    }
    if answer.prefix != answer.base_prefix && answer.executable != file {
        return examine_at_depth(&answer.executable, search, Running::Forbidden, depth + 1);
    }
    let executable = fs::canonicalize(&answer.executable)
        .map_err(|error| unusable(file, &format!("names itself a file that is gone: {error}")))?;
    let minor = answer.version.rsplit_once('.').map_or(&*answer.version, |(minor, _)| minor);
    interpreter(minor, answer.version.clone(), executable, answer.base_prefix, search)
}

/// A virtual environment's own `python`: its base runs, its packages come first.
fn of_venv(
    venv: &Path,
    search: &Search,
    running: Running,
    depth: usize,
) -> Result<Interpreter, Rejected> {
    let config = VenvConfig::read(venv).map_err(|error| Rejected::Unusable(error.to_string()))?;
    let names = config.minor_version.iter().map(|minor| format!("python{minor}"));
    let names = names.chain(["python3".to_owned(), "python".to_owned()]);
    let candidates = names.map(|name| config.home.join(name));
    let base = candidates
        .map(|file| examine_at_depth(&file, search, running, depth + 1))
        .find(|result| !matches!(result, Err(Rejected::Absent)));
    let mut found = base.unwrap_or_else(|| {
        Err(unusable(venv, &format!("was made from {}, which is gone", config.home.display())))
    })?;
    let mut site_packages = venv_site_directories(venv, &found.release);
    site_packages.append(&mut found.site_packages);
    found.site_packages = site_packages;
    Ok(found)
}

fn interpreter(
    minor: &str,
    version: String,
    executable: PathBuf,
    prefix: PathBuf,
    search: &Search,
) -> Result<Interpreter, Rejected> {
    let Some((identifier, fit)) = identifier_of(python::language(), minor) else {
        let reason = format!("is Python {version}, which no runtime of AWS here has");
        return Err(unusable(&executable, &reason));
    };
    if let Some(reason) = too_wide(&prefix, search) {
        return Err(unusable(&executable, &reason));
    }
    Ok(Interpreter {
        identifier,
        fit,
        release: minor.to_owned(),
        version,
        prefixes: binds(&prefix),
        site_packages: site_directories(&prefix, minor, search.homes()),
        found_at: executable.clone(),
        executable,
        prefix,
    })
}

/// Why a prefix cannot be shown to a function, if it cannot.
pub(super) fn too_wide(prefix: &Path, search: &Search) -> Option<String> {
    let wide = prefix == Path::new("/") || search.homes().any(|home| home.starts_with(prefix));
    wide.then(|| {
        format!(
            "is installed straight into {}, all of which a function would then see",
            prefix.display()
        )
    })
}

/// What a sandbox needs besides `/usr` for this prefix to work.
pub(super) fn binds(prefix: &Path) -> Vec<PathBuf> {
    if prefix.starts_with("/usr") {
        return Vec::new();
    }
    // Libraries of these two package managers stand in sibling directories, found by full path.
    if prefix.starts_with("/nix/store") {
        return vec!["/nix/store".into()];
    }
    let cellar = prefix.ancestors().find(|dir| dir.file_name().is_some_and(|n| n == "Cellar"));
    if let Some(root) = cellar.and_then(Path::parent) {
        return vec![root.to_owned()];
    }
    vec![prefix.to_owned()]
}

/// The one Python library of a prefix; `None` if there are several or none.
fn only_library(prefix: &Path) -> Option<String> {
    let mut versions: Vec<String> = ["lib", "lib64"]
        .iter()
        .flat_map(|lib| fs::read_dir(prefix.join(lib)).into_iter().flatten().flatten())
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix("python3.")?.parse::<u32>().ok()?;
            Some(format!("3.{version}"))
        })
        .filter(|minor| library_in(prefix, minor))
        .collect();
    versions.dedup();
    (versions.len() == 1).then(|| versions.remove(0))
}

fn library_in(prefix: &Path, minor: &str) -> bool {
    ["lib", "lib64"].iter().any(|lib| prefix.join(format!("{lib}/python{minor}/os.py")).is_file())
}

fn venv_of(file: &Path) -> Option<PathBuf> {
    let venv = file.parent()?.parent()?;
    venv.join("pyvenv.cfg").is_file().then(|| venv.to_owned())
}

pub(super) fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

pub(super) fn is_script(file: &Path) -> bool {
    let mut magic = [0; 2];
    // Unreadable yet executable is not a script: the kernel could not read it either.
    File::open(file).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && &magic == b"#!"
}

pub(super) fn unusable(file: &Path, reason: &str) -> Rejected {
    Rejected::Unusable(format!("{} {reason}", file.display()))
}
