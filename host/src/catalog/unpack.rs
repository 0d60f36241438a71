//! Unpacking a zip: first a plan of everything in it, checked whole, then the writing.
//!
//! # Invariants
//! - Nothing is written before every member's name, kind and link was found good.
//! - Links are made last, so no write can go through one.
//! - Bytes are counted as they come out; what an archive says of its own sizes only lets it be
//!   refused sooner.
//! - A failed unpacking leaves no directory.
//!
//! # Sources
//! PKWARE APPNOTE 4.4.2 (upper half of external attributes is the Unix mode); `lambda-service.md`
//! section 5 (250 MiB), `components.md` 1.7.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::error::{MemberFault, PackageError};
use super::member::{MAX_TARGET_BYTES, MemberPath, check_links, link_target};
use super::package::MAX_UNPACKED_BYTES;

/// Members an archive may have: several times the largest `node_modules`, and few enough that
/// their inodes are no attack. Ours; AWS names no number.
pub(super) const MAX_MEMBERS: usize = 200_000;

const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;
const PROGRAM_MODE: u32 = 0o755;

const COPY_BUFFER_BYTES: usize = 64 * 1024;

/// What came out of an archive.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// Sum of its files' sizes.
    pub(super) bytes: u64,
    /// Things worth saying.
    pub(super) warnings: Vec<String>,
}

/// Unpacks `archive` into `root`, which must not exist yet. `before_bytes` is what code and
/// earlier layers took of the limit.
pub(super) fn unpack(
    archive: &Path,
    root: &Path,
    before_bytes: u64,
) -> Result<Unpacked, PackageError> {
    let file = File::open(archive)
        .map_err(|source| PackageError::Read { path: archive.to_owned(), source })?;
    let zip = ZipArchive::new(BufReader::with_capacity(COPY_BUFFER_BYTES, file))
        .map_err(|source| PackageError::NotAZip { path: archive.to_owned(), source })?;
    let mut job = Job { archive, root, before_bytes, zip, written_bytes: 0, made: HashSet::new() };
    let plan = job.plan()?;
    let written = job.write(&plan);
    if let Err(error) = written {
        // The first error is the one to tell; what cannot be removed goes with the workspace.
        let _ = fs::remove_dir_all(root);
        return Err(error);
    }
    let mut warnings = Vec::new();
    if let Some(name) = plan.backslashed {
        warnings.push(format!(
            "{}: `{name}` has a backslash in its name, which is no directory on Linux; a Windows \
             tool made this zip",
            archive.display()
        ));
    }
    Ok(Unpacked { bytes: job.written_bytes, warnings })
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File { mode: u32 },
    Link,
}

struct Plan {
    members: Vec<(usize, PathBuf, Kind)>,
    links: HashMap<PathBuf, PathBuf>,
    backslashed: Option<String>,
}

struct Job<'a> {
    archive: &'a Path,
    root: &'a Path,
    before_bytes: u64,
    zip: ZipArchive<BufReader<File>>,
    written_bytes: u64,
    /// Directories made so far.
    made: HashSet<PathBuf>,
}

impl Job<'_> {
    /// Reads the whole directory of the archive and refuses it or not.
    fn plan(&mut self) -> Result<Plan, PackageError> {
        let count = self.zip.len();
        if count == 0 {
            return Err(PackageError::Empty { path: self.archive.to_owned() });
        }
        if count > MAX_MEMBERS {
            let (path, limit) = (self.archive.to_owned(), MAX_MEMBERS);
            return Err(PackageError::TooManyMembers { path, count, limit });
        }
        if self.zip.has_duplicate_names() {
            let twice = self.repeated_name();
            return Err(self.bad(&twice, MemberFault::Duplicate));
        }
        let mut plan = Plan { members: Vec::new(), links: HashMap::new(), backslashed: None };
        let mut kinds: HashMap<PathBuf, Kind> = HashMap::new();
        let mut declared_bytes = 0_u64;
        for index in 0..count {
            let (name, path, kind, bytes) = self.member(index)?;
            declared_bytes = declared_bytes.saturating_add(bytes);
            self.check_size(declared_bytes)?;
            if name.contains(&b'\\') && plan.backslashed.is_none() {
                plan.backslashed = Some(printable(&name));
            }
            if path.as_os_str().is_empty() {
                continue;
            }
            match kinds.insert(path.clone(), kind) {
                None => plan.members.push((index, path, kind)),
                Some(Kind::Directory) if kind == Kind::Directory => {}
                Some(_) => return Err(self.bad(&name, MemberFault::Duplicate)),
            }
        }
        for (index, path, kind) in &plan.members {
            for above in path.ancestors().skip(1) {
                let through = above.display().to_string();
                let fault = match kinds.get(above) {
                    Some(Kind::Link) => MemberFault::ThroughLink { link: through },
                    Some(Kind::File { .. }) => MemberFault::UnderFile { file: through },
                    _ => continue,
                };
                return Err(self.bad(path_bytes(path), fault));
            }
            if *kind == Kind::Link {
                let target = self.read_link(*index, path)?;
                plan.links.insert(path.clone(), target);
            }
        }
        check_links(&plan.links).map_err(|(link, fault)| self.bad(path_bytes(&link), fault))?;
        Ok(plan)
    }

    /// Name, place, kind and declared size of one member.
    fn member(&self, index: usize) -> Result<(Vec<u8>, PathBuf, Kind, u64), PackageError> {
        let entry = self
            .zip
            .by_index_data(index)
            .map_err(|source| PackageError::NotAZip { path: self.archive.to_owned(), source })?;
        let name = entry.name_raw().to_vec();
        let member = MemberPath::parse(&name).map_err(|fault| self.bad(&name, fault))?;
        if entry.encrypted() {
            return Err(self.bad(&name, MemberFault::Encrypted));
        }
        if let Some(method) = unknown_method(entry.compression()) {
            return Err(self.bad(&name, MemberFault::Method { method }));
        }
        let mode = entry.unix_mode().unwrap_or_default();
        let kind = match mode & file_type::TYPE {
            file_type::LINK => Kind::Link,
            file_type::DIRECTORY => Kind::Directory,
            0 | file_type::FILE if member.names_directory => Kind::Directory,
            0 | file_type::FILE if mode & 0o111 != 0 => Kind::File { mode: PROGRAM_MODE },
            0 | file_type::FILE => Kind::File { mode: FILE_MODE },
            special => {
                let kind = file_type::special_kind(special);
                return Err(self.bad(&name, MemberFault::Special { kind }));
            }
        };
        Ok((name, member.path, kind, entry.size()))
    }

    fn read_link(&mut self, index: usize, path: &Path) -> Result<PathBuf, PackageError> {
        let archive = self.archive;
        let reader = self
            .zip
            .by_index(index)
            .map_err(|error| damaged(archive, path, io::Error::other(error)))?;
        let mut raw = Vec::new();
        reader
            .take(MAX_TARGET_BYTES as u64)
            .read_to_end(&mut raw)
            .map_err(|source| damaged(archive, path, source))?;
        link_target(&raw).map_err(|fault| self.bad(path_bytes(path), fault))
    }

    fn write(&mut self, plan: &Plan) -> Result<(), PackageError> {
        self.make_directory(Path::new(""))?;
        let mut buffer = vec![0; COPY_BUFFER_BYTES];
        for (index, path, kind) in &plan.members {
            match kind {
                Kind::Directory => self.make_directory(path)?,
                Kind::File { mode } => self.write_file(*index, path, *mode, &mut buffer)?,
                Kind::Link => {}
            }
        }
        for (path, target) in &plan.links {
            self.make_directory(path.parent().unwrap_or(Path::new("")))?;
            let place = self.root.join(path);
            symlink(target, &place)
                .map_err(|source| PackageError::Write { path: place, source })?;
        }
        Ok(())
    }

    /// Makes a directory and those above it, 0755 whatever the umask.
    fn make_directory(&mut self, path: &Path) -> Result<(), PackageError> {
        if self.made.contains(path) {
            return Ok(());
        }
        if let Some(above) = path.parent() {
            self.make_directory(above)?;
        }
        let place =
            if path.as_os_str().is_empty() { self.root.to_owned() } else { self.root.join(path) };
        fs::create_dir(&place)
            .and_then(|()| fs::set_permissions(&place, Permissions::from_mode(DIRECTORY_MODE)))
            .map_err(|source| PackageError::Write { path: place, source })?;
        self.made.insert(path.to_owned());
        Ok(())
    }

    fn write_file(
        &mut self,
        index: usize,
        path: &Path,
        mode: u32,
        buffer: &mut [u8],
    ) -> Result<(), PackageError> {
        self.make_directory(path.parent().unwrap_or(Path::new("")))?;
        let (archive, place) = (self.archive, self.root.join(path));
        let not_written = |source| PackageError::Write { path: place.clone(), source };
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&place).map_err(not_written)?;
        file.set_permissions(Permissions::from_mode(mode)).map_err(not_written)?;
        let mut reader = self
            .zip
            .by_index(index)
            .map_err(|error| damaged(archive, path, io::Error::other(error)))?;
        loop {
            let read = match reader.read(buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(damaged(archive, path, source)),
            };
            self.written_bytes += read as u64;
            check_size(archive, self.before_bytes, self.written_bytes)?;
            file.write_all(&buffer[..read]).map_err(not_written)?;
        }
    }

    fn check_size(&self, bytes: u64) -> Result<(), PackageError> {
        check_size(self.archive, self.before_bytes, bytes)
    }

    fn bad(&self, name: &[u8], fault: MemberFault) -> PackageError {
        let (path, member) = (self.archive.to_owned(), printable(name));
        PackageError::BadMember { path, member, fault }
    }

    /// The reader keeps one of several equal names; the archive's directory has them all.
    fn repeated_name(&self) -> Vec<u8> {
        let names = central_names(self.archive, self.zip.central_directory_start());
        let mut seen = HashSet::new();
        let mut names = names.unwrap_or_default().into_iter();
        names.find(|name| !seen.insert(name.clone())).unwrap_or_else(|| b"?".to_vec())
    }
}

/// Names in the central directory, in order (APPNOTE 4.3.12); for an error message only.
fn central_names(archive: &Path, start: u64) -> io::Result<Vec<Vec<u8>>> {
    use std::io::{Seek, SeekFrom};

    const SIGNATURE: [u8; 4] = [0x50, 0x4b, 0x01, 0x02];
    const HEADER_BYTES: usize = 46;
    let mut reader = BufReader::new(File::open(archive)?);
    reader.seek(SeekFrom::Start(start))?;
    let mut names = Vec::new();
    let mut header = [0; HEADER_BYTES];
    while reader.read_exact(&mut header).is_ok() && header[..4] == SIGNATURE {
        let length = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let mut name = vec![0; usize::from(length(28))];
        reader.read_exact(&mut name)?;
        names.push(name);
        reader.seek_relative(i64::from(length(30)) + i64::from(length(32)))?;
    }
    Ok(names)
}

#[expect(deprecated, reason = "the constants meant instead name no method this build lacks")]
fn unknown_method(method: CompressionMethod) -> Option<u16> {
    match method {
        CompressionMethod::Unsupported(number) => Some(number),
        _ => None,
    }
}

fn check_size(archive: &Path, before_bytes: u64, bytes: u64) -> Result<(), PackageError> {
    if before_bytes.saturating_add(bytes) <= MAX_UNPACKED_BYTES {
        return Ok(());
    }
    let (path, limit_bytes) = (archive.to_owned(), MAX_UNPACKED_BYTES);
    Err(PackageError::TooLarge { path, before_bytes, bytes, limit_bytes })
}

fn damaged(archive: &Path, member: &Path, source: io::Error) -> PackageError {
    let (path, member) = (archive.to_owned(), printable(path_bytes(member)));
    PackageError::Damaged { path, member, source }
}

fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// A name fit for a terminal.
fn printable(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) => text.escape_debug().to_string(),
        Err(_) => name.escape_ascii().to_string(),
    }
}

/// File types in a Unix mode (inode(7)).
mod file_type {
    pub(super) const TYPE: u32 = 0o170_000;
    pub(super) const FILE: u32 = 0o100_000;
    pub(super) const DIRECTORY: u32 = 0o040_000;
    pub(super) const LINK: u32 = 0o120_000;

    pub(super) fn special_kind(kind: u32) -> &'static str {
        match kind {
            0o020_000 | 0o060_000 => "device node",
            0o010_000 => "named pipe",
            0o140_000 => "socket",
            _ => "special file",
        }
    }
}
