//! Applies the steps of a plan, in order, from inside the new namespaces.
//!
//! # Invariants
//! - One thread, no async, no allocation limits: this runs in a fork of the spawner.
//! - The first step that fails ends everything; its name travels to the host.
//!
//! # Sources
//! `reference/sandbox.md` sections 1 and 2.

use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, chdir, pivot_root, setgroups, setresgid, setresuid};

use crate::plan::{Source, Step, Use};
use crate::sys;
use crate::tmp::in_memory;
use crate::wire::Failure;

/// Where the new root is built, before it becomes `/`. Every Linux has it, nothing we bind is below.
const STAGING: &str = "/sys";
/// The root holds mount points and a few small files.
const ROOT_OPTIONS: &str = "mode=755,size=4m,nr_inodes=8k";

/// A sandbox in the making: what later steps need of earlier ones.
#[derive(Debug)]
pub(crate) struct Entering {
    root: PathBuf,
    tasks: Vec<OwnedFd>,
    /// Made by `Listen` and `Receive` steps, in their order.
    pub(crate) listeners: Vec<OwnedFd>,
}

impl Entering {
    /// Starts with the version 1 `tasks` files that the host opened.
    pub(crate) fn new(tasks: Vec<OwnedFd>) -> Self {
        Self { root: PathBuf::from(STAGING), tasks, listeners: Vec::new() }
    }

    /// Applies the steps in order; `trees` are the descriptors their sources name.
    ///
    /// # Errors
    /// The first step that failed, with cause and remedy.
    pub(crate) fn apply(&mut self, steps: &[Step], trees: &[OwnedFd]) -> Result<(), Failure> {
        for step in steps {
            self.step(step, trees).map_err(|error| Failure::new(step, &error, step.remedy()))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, trees: &[OwnedFd]) -> io::Result<()> {
        match step {
            Step::JoinCgroups => {
                for tasks in self.tasks.drain(..) {
                    // "0" means the writer itself and takes no lock; see performance.md 2.2.
                    rustix::io::write(&tasks, b"0")?;
                }
            }
            Step::CgroupNamespace => unshare(CloneFlags::CLONE_NEWCGROUP)?,
            Step::Hostname(name) => nix::unistd::sethostname(name)?,
            Step::PrivateMounts => {
                mount_plain(
                    None,
                    Path::new("/"),
                    None,
                    MsFlags::MS_REC | MsFlags::MS_PRIVATE,
                    None,
                )?;
            }
            Step::NewRoot => {
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
                mount_plain(Some("tmpfs"), &self.root, Some("tmpfs"), flags, Some(ROOT_OPTIONS))?;
            }
            Step::Directory { path, mode } => {
                let path = self.inside(path);
                make_directory(&path)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
            }
            Step::File { path, text } => {
                let path = self.inside(path);
                make_parent(&path)?;
                let mut file =
                    fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
                file.write_all(text.as_bytes())?;
            }
            Step::Symlink { path, target } => {
                let path = self.inside(path);
                make_parent(&path)?;
                symlink(target, path)?;
            }
            Step::Bind { source, target, usage } => self.bind(source, target, *usage, trees)?,
            Step::TmpDevice { device, options } => {
                let device = match device {
                    Source::Path(path) => path.clone(),
                    Source::Tree { index, .. } => {
                        PathBuf::from(format!("/proc/self/fd/{}", tree(trees, *index)?.as_raw_fd()))
                    }
                };
                self.tmp(&device.to_string_lossy(), "ext4", options)?;
            }
            Step::TmpMemory { bytes } => self.tmp("tmpfs", "tmpfs", &in_memory(*bytes))?,
            Step::TmpKept { tree: source, .. } => {
                let Source::Tree { index, .. } = source else {
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                let target = self.inside(Path::new("/tmp"));
                make_directory(&target)?;
                sys::move_mount(tree(trees, *index)?.as_fd(), &target)?;
            }
            Step::SharedMemory { bytes } => {
                self.sized("tmpfs", "tmpfs", "/dev/shm", &in_memory(*bytes))?;
            }
            Step::Proc => {
                let target = self.inside(Path::new("/proc"));
                make_directory(&target)?;
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
                mount_plain(Some("proc"), &target, Some("proc"), flags, None)?;
            }
            Step::Loopback => sys::loopback_up()?,
            Step::Firewall { dns, blocked } => crate::firewall::confine(*dns, blocked)?,
            Step::Listen { address, port, .. } => {
                self.listeners.push(TcpListener::bind((*address, *port))?.into());
            }
            Step::Receive { address, port, .. } => {
                self.listeners.push(UdpSocket::bind((*address, *port))?.into());
            }
            Step::Pivot => {
                chdir(&self.root)?;
                pivot_root(".", ".")?;
                umount2(".", MntFlags::MNT_DETACH)?;
                chdir("/")?;
                self.root = PathBuf::from("/");
            }
            Step::SealRoot => {
                let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
                let flags = flags | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
                mount_plain(None, &self.root, None, flags, None)?;
            }
            Step::Limits { descriptors, processes } => limits(*descriptors, *processes)?,
            Step::SessionKeyring => match sys::new_session_keyring() {
                // A kernel without keyrings has none to inherit either.
                Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {}
                other => other?,
            },
            Step::Identity { id } => {
                setgroups(&[])?;
                setresgid(Gid::from_raw(*id), Gid::from_raw(*id), Gid::from_raw(*id))?;
                // Where user namespaces are kept from ordinary users (Ubuntu 24.04, Debian's switch)
                // the next step needs this one; the namespace and the steps after it take it away.
                sys::keep_capabilities()?;
                setresuid(Uid::from_raw(*id), Uid::from_raw(*id), Uid::from_raw(*id))?;
                sys::hold_only_sys_admin()?;
            }
            Step::UserNamespace { uid, gid, outside } => user_namespace(*uid, *gid, *outside)?,
            Step::ForbidUserNamespaces => fs::write("/proc/sys/user/max_user_namespaces", "0")?,
            Step::DropCapabilities => sys::drop_capabilities()?,
            Step::NoNewPrivileges => sys::no_new_privileges()?,
            Step::Undumpable => {
                sys::die_with_parent()?;
                sys::set_dumpable(sys::Dumpable::No)?;
            }
            Step::Seccomp => sys::install_seccomp(&crate::seccomp::filter().program)?,
        }
        Ok(())
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn bind(
        &self,
        source: &Source,
        target: &Path,
        usage: Use,
        trees: &[OwnedFd],
    ) -> io::Result<()> {
        let opened;
        let tree = match source {
            Source::Path(path) => {
                opened = open_bound(path, usage)?;
                &opened
            }
            Source::Tree { index, .. } => tree(trees, *index)?,
        };
        let target = self.inside(target);
        let is_directory = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(tree)?.st_mode)
            == rustix::fs::FileType::Directory;
        if is_directory {
            make_directory(&target)?;
        } else {
            make_parent(&target)?;
            fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .open(&target)?;
        }
        sys::move_mount(tree.as_fd(), &target)
    }

    fn tmp(&self, source: &str, kind: &str, options: &str) -> io::Result<()> {
        self.sized(source, kind, "/tmp", options)
    }

    fn sized(&self, source: &str, kind: &str, target: &str, options: &str) -> io::Result<()> {
        let target = self.inside(Path::new(target));
        make_directory(&target)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
        mount_plain(Some(source), &target, Some(kind), flags, Some(options))
    }
}

/// Opens a tree of the caller's mount namespace as it is shown inside: detached, private, read-only.
///
/// # Errors
/// The kernel's.
pub fn open_bound(path: &Path, usage: Use) -> io::Result<OwnedFd> {
    let tree = sys::open_tree(path)?;
    sys::mount_attributes(tree.as_fd(), attributes(usage), None)?;
    Ok(tree)
}

/// The same, with the files' owner shown as someone else through an id-mapping user namespace.
///
/// # Errors
/// `EINVAL` where the file system, or one mounted below, cannot be id-mapped.
pub fn open_bound_as(path: &Path, namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let tree = sys::open_tree(path)?;
    sys::mount_attributes(tree.as_fd(), attributes(Use::ReadOnly), Some(namespace))?;
    Ok(tree)
}

fn attributes(usage: Use) -> u64 {
    match usage {
        Use::ReadOnly => sys::ATTR_READ_ONLY | sys::ATTR_NO_SUID | sys::ATTR_NO_DEV,
        Use::Device => sys::ATTR_NO_SUID | sys::ATTR_NO_EXEC,
    }
}

fn tree(trees: &[OwnedFd], index: usize) -> io::Result<&OwnedFd> {
    trees.get(index).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("descriptor {index} did not come along"),
        )
    })
}

fn mount_plain(
    source: Option<&str>,
    target: &Path,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> io::Result<()> {
    Ok(mount(source, target, kind, flags, options)?)
}

fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), make_directory)
}

/// 0 would stop a core file only: a program of the host that takes cores by a pipe (core(5)) is started
/// all the same, and is not told of the sandbox. A limit of one byte stops that too.
const NO_CORE_FOR_ANYBODY: u64 = 1;

/// Never above what the host process itself has: raising needs `CAP_SYS_RESOURCE`.
fn limits(descriptors: u64, processes: u64) -> io::Result<()> {
    let cap = |resource, wanted: u64| -> io::Result<()> {
        let (_, hard) = nix::sys::resource::getrlimit(resource)?;
        let value = wanted.min(hard);
        Ok(setrlimit(resource, value, value)?)
    };
    cap(Resource::RLIMIT_NOFILE, descriptors)?;
    cap(Resource::RLIMIT_CORE, NO_CORE_FOR_ANYBODY)?;
    // Whoever called may have been given the right to a better place than everybody's; one already taken
    // has been given up by the spawner.
    cap(Resource::RLIMIT_RTPRIO, 0)?;
    cap(Resource::RLIMIT_NICE, 0)?;
    cap(Resource::RLIMIT_NPROC, processes)
}

fn user_namespace(uid: u32, gid: u32, outside: (u32, u32)) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    // After the change of id /proc/self belongs to root until this is set; the maps are below it.
    sys::set_dumpable(sys::Dumpable::Yes)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {} 1", outside.0))?;
    fs::write("/proc/self/gid_map", format!("{gid} {} 1", outside.1))
}
