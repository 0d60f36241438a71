//! An ordinary user to run the program as, on a machine whose tests run as root.
//!
//! # Invariants
//! - The user exists by number alone, which nobody else of the machine has: no home, no group, no
//!   right but everybody's. It differs from test run to test run, so limits by user are not shared.
//! - What a test made for the program (functions, its data directory) is given to the user; nothing
//!   outside of the directory for temporary files is touched.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Above the ids that systems and `/etc/subuid` give out, below those lambdabox uses as root.
const FIRST: u32 = 1_880_000_000;
/// Where everybody's programs are; a tester's own `PATH` leads into a home that is closed to others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The user's id: ours, where the tests do not run as root.
pub(crate) fn uid() -> u32 {
    let own = nix::unistd::geteuid();
    if own.is_root() { FIRST + std::process::id() } else { own.as_raw() }
}

/// Makes the command one of the user's, with `home` as everything it owns. Where the tests do not run
/// as root it is one already.
pub(super) fn become_user(command: &mut Command, home: &Path, paths: &[PathBuf]) {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let runtime = home.join("runtime-of-the-user");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o700)).unwrap();
    give(home);
    let temporary = std::env::temp_dir();
    paths.iter().filter(|path| path.starts_with(&temporary)).for_each(|path| give(path));
    // Supplementary groups go with the id (`std::process`, as root).
    command.uid(uid()).gid(uid());
    let theirs = ["SUDO_", "DBUS_", "XDG_", "PYENV_"];
    for (name, _) in std::env::vars_os() {
        if theirs.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.env("HOME", home).env("USER", "somebody").env("PATH", PATH);
    command.env("XDG_RUNTIME_DIR", runtime);
    command.current_dir("/");
}

/// The program, where the user can execute it: a copy, if the build directory is closed to others. It
/// stays for the next run, as the build directory does.
pub(super) fn program(built: &'static Path) -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        const EXECUTABLE_BY_OTHERS: u32 = 0o001;
        let open =
            |path: &Path| std::fs::metadata(path).unwrap().mode() & EXECUTABLE_BY_OTHERS != 0;
        if !nix::unistd::geteuid().is_root() || built.ancestors().all(open) {
            return built.to_owned();
        }
        let place = std::env::temp_dir().join("e2e-program-for-everybody");
        let copy = tempfile::NamedTempFile::new().unwrap();
        std::fs::copy(built, copy.path()).unwrap();
        // At once and whole, whoever else runs these tests.
        copy.persist(&place).unwrap();
        place
    })
}

/// Everything at and below a path, links themselves and not what they name.
fn give(path: &Path) {
    let Ok(data) = std::fs::symlink_metadata(path) else { return };
    lchown(path, Some(uid()), Some(uid())).unwrap();
    if data.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path());
        }
    }
}
