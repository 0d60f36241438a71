//! The function's path: that it is there, and that showing it does not show everything.
//!
//! Of a directory the directory is bound as `/var/task`, of a file its directory is. `/` and the
//! home directory would hand a function every key and document of the user, so both are refused. A
//! zip is unpacked instead of bound, and may lie anywhere.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::caller::Caller;
use super::check::is_absent;
use super::problem::{IsFile, Problem};

/// What a zip begins with: a member's header, or the directory of an empty archive.
const ZIP_MAGIC: [[u8; 4]; 2] = [*b"PK\x03\x04", *b"PK\x05\x06"];

/// Longest name of a function (lambda-service.md 3).
const MAX_NAME_CHARACTERS: usize = 64;

/// A path that was checked.
#[derive(Debug)]
pub(crate) struct CodePath {
    /// Absolute, as given otherwise.
    pub(crate) path: PathBuf,
    /// The directory it is or lies in, without symbolic links; where `lambdabox.toml` is looked for.
    pub(crate) directory: PathBuf,
}

/// Checks a path; none given is the working directory.
pub(crate) fn check(given: Option<&Path>, caller: &Caller) -> Result<CodePath, Problem> {
    let given = caller.cwd.join(given.unwrap_or(Path::new(".")));
    let path: PathBuf = given.components().filter(|c| *c != Component::CurDir).collect();
    let unreadable = |source| match is_absent(&source) {
        true => Problem::NoSuchPath { path: path.clone() },
        false => Problem::PathUnreadable { path: path.clone(), source },
    };
    let metadata = fs::metadata(&path).map_err(unreadable)?;
    let (shown, is_file) = if metadata.is_dir() {
        (path.as_path(), IsFile::No)
    } else if metadata.is_file() {
        (path.parent().unwrap_or(Path::new("/")), IsFile::Yes)
    } else {
        return Err(Problem::NotCode { path });
    };
    let directory = fs::canonicalize(shown).map_err(unreadable)?;
    if is_file == IsFile::No || !is_zip(&path) {
        // A linked file counts where it lies and where the link lies: either could be bound.
        let mut bound = vec![directory.clone()];
        if is_file == IsFile::Yes {
            let real = fs::canonicalize(&path).map_err(unreadable)?;
            bound.extend(real.parent().map(Path::to_owned));
        }
        for directory in bound {
            if let Some(what) = too_broad(&directory, caller) {
                return Err(Problem::TooBroad { path, directory, what, is_file });
            }
        }
    }
    Ok(CodePath { path, directory })
}

fn too_broad(directory: &Path, caller: &Caller) -> Option<&'static str> {
    if directory.parent().is_none() {
        return Some("the root of the file system");
    }
    let home = caller.home.as_ref()?;
    // A home that does not exist cannot be the same directory.
    let home = fs::canonicalize(home).ok()?;
    (directory == home).then_some("your home directory")
}

/// File names that say nothing about the function; its directory does.
const GENERIC: [&str; 6] = ["lambda_function", "app", "main", "bootstrap", "index", "handler"];

/// What a function is called that nobody named: after its package, in characters of a name.
pub(crate) fn name_of(path: &Path) -> String {
    let named = if path.is_dir() || path.extension().is_some_and(|ending| ending == "zip") {
        path.file_stem()
    } else {
        path.file_stem()
            .filter(|stem| !GENERIC.contains(&&*stem.to_string_lossy()))
            .or_else(|| path.parent().and_then(Path::file_name))
    };
    let text = named.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let is_kept = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let clean: String =
        text.chars().map(|c| if is_kept(c) { c } else { '-' }).take(MAX_NAME_CHARACTERS).collect();
    if clean.is_empty() { "function".to_owned() } else { clean }
}

/// By name, or by its first bytes where they can be read; the catalogue decides for good.
fn is_zip(path: &Path) -> bool {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
        return true;
    }
    let mut start = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && ZIP_MAGIC.contains(&start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::caller;

    fn at(home: &Path, cwd: &Path) -> Caller {
        Caller { home: Some(home.to_owned()), ..caller(cwd.to_str().unwrap(), &[]) }
    }

    fn said(given: Option<&Path>, caller: &Caller) -> (String, String) {
        let problem = check(given, caller).unwrap_err();
        (problem.to_string(), problem.hint().unwrap_or_default())
    }

    #[test]
    fn root_and_home_are_refused_with_what_would_be_bound() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let caller = at(&home, &home);
        fs::write(home.join("app.py"), "").unwrap();
        let (error, hint) = said(Some(Path::new("/")), &caller);
        assert_eq!(error, "refusing to show / to a function: it is the root of the file system");
        assert_eq!(
            hint,
            "/ would be bound as /var/task; name the function's own directory or file"
        );
        for given in [None, Some(Path::new(".")), Some(home.as_path())] {
            let (error, _) = said(given, &caller);
            assert!(error.ends_with("it is your home directory"), "{error}");
        }
        let (error, hint) = said(Some(Path::new("app.py")), &caller);
        assert!(error.ends_with("it is your home directory"), "{error}");
        assert!(hint.ends_with("put app.py into a directory of its own"), "{hint}");
        let root_file = Path::new("/.lambdabox-test-no-such-file");
        assert!(said(Some(root_file), &caller).0.starts_with("no such file or directory"));
    }

    #[test]
    fn links_do_not_lead_around_the_refusal() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        let work = dir.path().join("work");
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&work).unwrap();
        fs::write(home.join("app.py"), "").unwrap();
        std::os::unix::fs::symlink(&home, work.join("h")).unwrap();
        std::os::unix::fs::symlink(home.join("app.py"), work.join("linked.py")).unwrap();
        let caller = at(&home, &work);
        for given in ["h", "h/app.py", "linked.py", "../home/../home"] {
            let (error, _) = said(Some(Path::new(given)), &caller);
            assert!(error.ends_with("it is your home directory"), "{given}: {error}");
        }
    }

    #[test]
    fn a_zip_may_lie_at_home_and_a_directory_below_it_is_fine() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("fn")).unwrap();
        fs::write(home.path().join("fn/app.py"), "").unwrap();
        fs::write(home.path().join("a.ZIP"), "not looked at here").unwrap();
        fs::write(home.path().join("package"), b"PK\x03\x04rest").unwrap();
        let caller = at(home.path(), home.path());
        for given in ["fn", "./fn/./app.py", "a.ZIP", "package"] {
            let checked = check(Some(Path::new(given)), &caller).unwrap();
            assert!(checked.path.is_absolute() && checked.path.exists());
        }
        let checked = check(Some(Path::new("./fn/./app.py")), &caller).unwrap();
        assert_eq!(checked.path, home.path().join("fn/app.py"));
        assert_eq!(checked.directory, home.path().canonicalize().unwrap().join("fn"));
    }

    #[test]
    fn what_is_not_there_or_not_code_is_said() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let caller = at(Path::new("/nowhere"), dir.path());
        let (error, _) = said(Some(Path::new("nope.py")), &caller);
        assert_eq!(error, format!("no such file or directory: {}/nope.py", dir.path().display()));
        assert!(said(Some(Path::new("file/x")), &caller).0.starts_with("no such file"));
        let (error, _) = said(Some(Path::new("/dev/null")), &caller);
        assert_eq!(error, "/dev/null is neither a file nor a directory");
    }
}
