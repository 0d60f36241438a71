//! Why a package or layer cannot be used. Each finishes "failed to …" and says what to do.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use super::member::check_links;

/// A package or layer was refused, or could not be read or unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// Nothing there.
    #[error("open {path}: there is no such file or directory")]
    NoSuchPath {
        /// As given.
        path: PathBuf,
    },
    /// There, and not readable.
    #[error("read {path}")]
    Read {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither file nor directory.
    #[error("open {path}: it is neither a file nor a directory")]
    NotAPackage {
        /// As given.
        path: PathBuf,
    },
    /// A directory that is more than one function's.
    #[error(
        "use {root} as the function's code: it is {what}, and the function would see all of it; \
         put the function into a directory of its own"
    )]
    TooMuchToShow {
        /// The directory that would become `/var/task`.
        root: PathBuf,
        /// What it is, in words.
        what: &'static str,
    },
    /// A file that should be a zip and is not.
    #[error("unpack {path}: it is not a zip archive; give a directory, a source file or a .zip")]
    NotAZip {
        /// As given.
        path: PathBuf,
        /// What the reader said.
        source: zip::result::ZipError,
    },
    /// A zip without members.
    #[error("unpack {path}: there is nothing in it")]
    Empty {
        /// The archive.
        path: PathBuf,
    },
    /// One member makes the archive unusable.
    #[error("unpack {path}: its member `{member}` {fault}; nothing of it was kept")]
    BadMember {
        /// The archive.
        path: PathBuf,
        /// Name of the member, unprintable characters escaped.
        member: String,
        /// What is wrong with it.
        fault: MemberFault,
    },
    /// A member cannot be read out.
    #[error("unpack {path}: its member `{member}` is damaged; make the archive anew")]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// Name of the member, unprintable characters escaped.
        member: String,
        /// What the reader said.
        source: io::Error,
    },
    /// More members than anyone's function has.
    #[error("unpack {path}: it has {count} members, and {limit} is the most")]
    TooManyMembers {
        /// The archive.
        path: PathBuf,
        /// How many it has.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Over AWS's limit.
    #[error(
        "unpack {path}: {}unpacked it comes to {bytes} bytes or more, and Lambda's limit for code \
         and layers together is {limit_bytes} (250 MB); leave out what the function does not import",
        with_before(*.before_bytes)
    )]
    TooLarge {
        /// The archive that goes over the limit.
        path: PathBuf,
        /// What code and earlier layers took already.
        before_bytes: u64,
        /// This archive's own bytes, as far as they were counted.
        bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// More layers than Lambda takes.
    #[error("use {count} layers: a function has {limit} at most; merge some of them")]
    TooManyLayers {
        /// How many were given.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The workspace cannot be written.
    #[error("write {path}")]
    Write {
        /// What was written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn with_before(before_bytes: u64) -> String {
    if before_bytes == 0 {
        return String::new();
    }
    format!("code and layers before it take {before_bytes} bytes, and ")
}

/// What is wrong with a zip's member; finishes "its member `x` …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberFault {
    /// `/etc/passwd`.
    #[error("has an absolute name; zip the files from inside their directory")]
    Absolute,
    /// `../x`.
    #[error(
        "has `..` in its name and would be written outside; zip the files from inside their directory"
    )]
    Parent,
    /// No name, or one with a zero byte.
    #[error("has a name no file can have")]
    NoName,
    /// Bytes that are no UTF-8.
    #[error("has a name that is not UTF-8; rename the file or zip it with a newer tool")]
    NotUtf8,
    /// Twice in the archive.
    #[error("is in it more than once; make the archive anew")]
    Duplicate,
    /// A link that leads out.
    #[error(
        "is a symbolic link to `{target}`, outside the package; zip without -y to store the file itself"
    )]
    LinkOutside {
        /// Where it leads.
        target: String,
    },
    /// A link whose text is none.
    #[error("is a symbolic link without a usable target")]
    LinkUnusable,
    /// A path through a link.
    #[error("would be written through the symbolic link `{link}`; zip without -y")]
    ThroughLink {
        /// The member that is the link.
        link: String,
    },
    /// A path through a file.
    #[error("would be written into `{file}`, which is a file; make the archive anew")]
    UnderFile {
        /// The member that is the file.
        file: String,
    },
    /// A device, pipe or socket.
    #[error("is a {kind}; only files, directories and symbolic links can be in a package")]
    Special {
        /// What it is.
        kind: &'static str,
    },
    /// Needs a password.
    #[error("is encrypted; zip without a password")]
    Encrypted,
    /// A method not built in.
    #[error("is compressed by method {method}; use deflate (what `zip` does), zstd or none")]
    Method {
        /// Number in the zip format.
        method: u16,
    },
}

impl MemberFault {
    /// The first of these symbolic links (each by its path in the package, with its target) that no
    /// package can have, and why: what whoever unpacks them would find.
    pub(crate) fn of_links(links: &HashMap<PathBuf, PathBuf>) -> Option<(PathBuf, Self)> {
        check_links(links).err()
    }
}
