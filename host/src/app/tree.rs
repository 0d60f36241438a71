//! Directories of the user's, by whatever way everybody inside a sandbox can read them.

use std::path::{Path, PathBuf};

use super::error::AppError;
use super::language_loop;
use crate::catalog::{self, Access};
use crate::sandbox::Tree;

/// A tree of the user's, by whatever way everybody inside can read it.
pub(super) fn tree(
    source: &Path,
    target: &str,
    access: Access,
    copies: &Path,
) -> Result<Tree, AppError> {
    // An ordinary user's function reads as the user does.
    let access = match rustix::process::geteuid().is_root() {
        true => access,
        false => Access::Everybody,
    };
    let copy = copies.join(target.trim_start_matches('/'));
    let target = PathBuf::from(target);
    Ok(match access {
        Access::Everybody => {
            Tree { source: source.to_owned(), target, only_readable_by: None, copy_to: None }
        }
        Access::OwnerOnly { uid, gid } => Tree {
            source: source.to_owned(),
            target,
            only_readable_by: Some((uid, gid)),
            copy_to: Some(copy),
        },
        Access::Mixed => {
            language_loop::make_directory(&copy)?;
            catalog::copy_tree(source, &copy)?;
            Tree { source: copy, target, only_readable_by: None, copy_to: None }
        }
    })
}

/// The owner, if others may not read the directory or run the program in it. Looks at these two
/// only: a prefix has ten thousand files, and its installer gave them all the same mode.
pub(super) fn closed_to_others(directory: &Path, program: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_READ_EXECUTE: u32 = 0o005;
    let closed = [directory, program].iter().any(|path| {
        std::fs::metadata(path)
            .is_ok_and(|data| data.mode() & OTHERS_READ_EXECUTE != OTHERS_READ_EXECUTE)
    });
    let owner = std::fs::metadata(directory).ok()?;
    closed.then(|| (owner.uid(), owner.gid()))
}
