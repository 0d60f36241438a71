//! Where to look. Read from the environment in one place, made up in tests.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// GitHub's runners keep their interpreters here.
const TOOL_CACHE: &str = "/opt/hostedtoolcache";

const DOTNET_ROOTS: &[&str] =
    &["/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/usr/local/share/dotnet"];

const JVM_ROOTS: &[&str] =
    &["/usr/lib/jvm", "/usr/lib64/jvm", "/usr/java", "/opt/java", "/opt/jdk"];

/// Everything discovery looks at.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Directories of `PATH`, in order. Relative ones are ignored: what the current directory
    /// holds must not become the interpreter.
    pub path: Vec<PathBuf>,
    /// The caller's home.
    pub home: Option<PathBuf>,
    /// Home of the user behind sudo, whose interpreters root's `PATH` does not name.
    pub sudo_home: Option<PathBuf>,
    /// Roots laid out as `Python/<version>/<architecture>`.
    pub tool_caches: Vec<PathBuf>,
    /// `PYENV_ROOT`.
    pub pyenv_root: Option<PathBuf>,
    /// `PYENV_VERSION`.
    pub pyenv_version: Option<String>,
    /// `JAVA_HOME`.
    pub java_home: Option<PathBuf>,
    /// Where distributions and installers put Java, a directory for each.
    pub jvm_roots: Vec<PathBuf>,
    /// `DOTNET_ROOT`.
    pub dotnet_root: Option<PathBuf>,
    /// Where distributions and installers put .NET.
    pub dotnet_roots: Vec<PathBuf>,
    /// `NVM_DIR`.
    pub nvm_dir: Option<PathBuf>,
    /// Where the caller stands; pyenv looks for `.python-version` from here upwards.
    pub cwd: PathBuf,
    /// How many times as long a program may take to say what it is, as this machine is that slow.
    /// Zero counts as one.
    pub time_scale: u32,
}

impl Search {
    /// What this process' environment says.
    pub fn from_environment() -> Self {
        let path = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let cache =
            env::var_os("RUNNER_TOOL_CACHE").or_else(|| env::var_os("AGENT_TOOLSDIRECTORY"));
        let mut tool_caches: Vec<PathBuf> = cache.into_iter().map(PathBuf::from).collect();
        if !tool_caches.iter().any(|root| root == Path::new(TOOL_CACHE)) {
            tool_caches.push(TOOL_CACHE.into());
        }
        Self {
            path: env::split_paths(&path).collect(),
            home: absolute(env::var_os("HOME")),
            sudo_home: env::var_os("SUDO_USER").and_then(|user| home_of(&user)),
            tool_caches,
            pyenv_root: absolute(env::var_os("PYENV_ROOT")),
            pyenv_version: env::var("PYENV_VERSION").ok().filter(|version| !version.is_empty()),
            java_home: absolute(env::var_os("JAVA_HOME")),
            jvm_roots: JVM_ROOTS.iter().map(PathBuf::from).collect(),
            dotnet_root: absolute(env::var_os("DOTNET_ROOT")),
            dotnet_roots: DOTNET_ROOTS.iter().map(PathBuf::from).collect(),
            nvm_dir: absolute(env::var_os("NVM_DIR")),
            // A current directory that is gone names no `.python-version`, which is all it is for.
            cwd: env::current_dir().unwrap_or_default(),
            time_scale: 1,
        }
    }

    /// Homes, the caller's first.
    pub(crate) fn homes(&self) -> impl Iterator<Item = &Path> {
        let sudo = self.sudo_home.as_deref().filter(|home| Some(*home) != self.home.as_deref());
        self.home.as_deref().into_iter().chain(sudo)
    }

    /// Every pyenv there may be.
    pub(crate) fn pyenv_roots(&self) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = self.pyenv_root.iter().cloned().collect();
        for home in self.homes() {
            let root = home.join(".pyenv");
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }
}

fn absolute(value: Option<std::ffi::OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Home of a user by `/etc/passwd`; users of other directories are simply not searched.
fn home_of(user: &OsStr) -> Option<PathBuf> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let user = user.to_str()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
    line.split(':').nth(5).map(PathBuf::from).filter(|home| home.is_absolute())
}
