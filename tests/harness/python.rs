//! Python interpreters of this machine, and packages vendored by pip at test time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// Which language loop runs the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// Ours, embedded in the program.
    Managed,
    /// AWS's `awslambdaric`, unmodified, from the package index.
    Official,
}

/// Where vendored packages are kept between runs.
pub(crate) fn e2e_cache() -> PathBuf {
    target_dir().join("e2e-cache")
}

/// The virtual environment with test servers, made by `scripts/test`.
pub(crate) fn e2e_venv() -> PathBuf {
    target_dir().join("e2e-venv")
}

fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target has a tmp below it").to_owned()
}

/// CPython 3.`minor` of this machine: a real executable, no pyenv shim.
pub(crate) fn interpreter(minor: u32) -> Option<&'static Path> {
    static FOUND: LazyLock<BTreeMap<u32, PathBuf>> =
        LazyLock::new(|| (9..=14).filter_map(|minor| Some((minor, find(minor)?))).collect());
    FOUND.get(&minor).map(PathBuf::as_path)
}

fn find(minor: u32) -> Option<PathBuf> {
    let name = format!("python3.{minor}");
    let mut places = Vec::new();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    for (root, below) in
        [(pyenv.join("versions"), "bin"), ("/opt/hostedtoolcache/Python".into(), "x64/bin")]
    {
        let Ok(versions) = std::fs::read_dir(root) else { continue };
        places.extend(versions.flatten().map(|version| version.path().join(below)));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path).filter(|dir| !dir.ends_with("shims")));
    places.into_iter().map(|dir| dir.join(&name)).find(|file| answers(file))
}

fn answers(python: &Path) -> bool {
    python.is_file() && Command::new(python).args(["-c", ""]).status().is_ok_and(|s| s.success())
}

/// The minor version of `python3` on the path: the one people mean when they say nothing.
pub(crate) fn default_minor() -> u32 {
    static MINOR: LazyLock<u32> = LazyLock::new(|| {
        let ask = "import sys; print(sys.version_info[1])";
        let output = Command::new("python3").args(["-c", ask]).output().expect("python3 runs");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a minor version")
    });
    *MINOR
}

/// Installs packages below `<cache>/<name>-py3N/<below>` once; the directory without `below`.
///
/// # Errors
/// What pip said, when the packages cannot be had.
pub(crate) fn vendored(name: &str, below: &str, requirements: &[&str]) -> Result<PathBuf, String> {
    vendored_for(default_minor(), name, below, requirements)
}

/// The same for another CPython than the default one.
pub(crate) fn vendored_for(
    minor: u32,
    name: &str,
    below: &str,
    requirements: &[&str],
) -> Result<PathBuf, String> {
    // One at a time: two tests may want the same packages.
    static ONE: Mutex<()> = Mutex::new(());
    let one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root = e2e_cache().join(format!("{name}-py3{minor}"));
    let stamp = root.with_extension("requirements");
    let wanted = requirements.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(root);
    }
    if root.exists() {
        std::fs::remove_dir_all(&root).map_err(|e| e.to_string())?;
    }
    std::fs::create_dir_all(&root).map_err(|e| e.to_string())?;
    let python = interpreter(minor).ok_or_else(|| format!("no python3.{minor} executable"))?;
    let output = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
        .arg(root.join(below))
        .args(["--only-binary", ":all:"])
        .args(requirements)
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::write(stamp, wanted).map_err(|e| e.to_string())?;
    drop(one);
    Ok(root)
}
