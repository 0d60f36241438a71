//! Directories of the host, made ready to be shown inside a sandbox.
//!
//! The host opens each as a detached, read-only mount tree and hands the descriptor in. A tree that
//! only its owner may read is id-mapped: on disk nothing changes, inside it belongs to the function.
//! An ordinary user's host may not open them, its spawner may; and what is the user's is the
//! function's there anyway.
//!
//! # Sources
//! `reference/sandbox.md` section 2, "Code" and "Interpreters in 0700 homes".

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use lambdabox_bootstrap::plan::{Source, Step, Use};

use super::error::SandboxError;
use super::plan::Identity;
use super::spawner::Spawner;

/// A directory or file of the host and where it appears inside.
#[derive(Debug, Clone)]
pub struct Tree {
    /// On the host.
    pub source: PathBuf,
    /// Inside.
    pub target: PathBuf,
    /// Owner and group that alone may read it; `None` if everybody may.
    pub only_readable_by: Option<(u32, u32)>,
    /// Where a copy may be made if the file system cannot be id-mapped.
    pub copy_to: Option<PathBuf>,
}

/// A symbolic link made inside.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where.
    pub path: PathBuf,
    /// What it says.
    pub target: PathBuf,
}

impl Link {
    fn step(&self) -> Step {
        Step::Symlink { path: self.path.clone(), target: self.target.clone() }
    }
}

/// The steps that [`OpenTrees::open`] will ask for, without opening anything.
pub(crate) fn planned_steps(trees: &[Tree], links: &[Link]) -> Vec<Step> {
    let binds = trees.iter().map(|tree| Step::Bind {
        source: Source::Path(tree.source.clone()),
        target: tree.target.clone(),
        usage: Use::ReadOnly,
    });
    binds.chain(links.iter().map(Link::step)).collect()
}

/// Trees opened for one launch.
#[derive(Debug, Default)]
pub(crate) struct OpenTrees {
    /// The steps that attach them, naming descriptors by position.
    pub(crate) steps: Vec<Step>,
    /// The descriptors, in that order.
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl OpenTrees {
    /// Opens every tree for an environment.
    pub(crate) async fn open(
        spawner: &Spawner,
        trees: &[Tree],
        links: &[Link],
        identity: Identity,
    ) -> Result<Self, SandboxError> {
        let opened = match identity {
            Identity::Own { id } => {
                let mut opened = Vec::with_capacity(trees.len());
                for tree in trees {
                    opened.push(open(spawner, tree, id).await?);
                }
                opened
            }
            // The function reads what its caller reads, neither more nor less.
            Identity::Callers { .. } => {
                let paths: Vec<&Path> = trees.iter().map(|tree| tree.source.as_path()).collect();
                spawner.open_trees(&paths).await?
            }
        };
        let mut all = Self::default();
        for (tree, opened) in trees.iter().zip(opened) {
            // For people only, and messages carry text: a name that is not UTF-8 must not stop them.
            let shows = PathBuf::from(tree.source.to_string_lossy().into_owned());
            let source = Source::Tree { index: all.add(opened), shows };
            all.steps.push(Step::Bind {
                source,
                target: tree.target.clone(),
                usage: Use::ReadOnly,
            });
        }
        all.steps.extend(links.iter().map(Link::step));
        Ok(all)
    }

    /// Adds a descriptor and says its position.
    pub(crate) fn add(&mut self, descriptor: OwnedFd) -> usize {
        self.descriptors.push(descriptor);
        self.descriptors.len() - 1
    }
}

async fn open(spawner: &Spawner, tree: &Tree, id: u32) -> Result<OwnedFd, SandboxError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| SandboxError::Tree { path, source }
    };
    let Some(owner) = tree.only_readable_by else {
        return plain(&tree.source).map_err(failed(&tree.source));
    };
    let namespace = spawner.id_map(owner, id).await?;
    let mapped = lambdabox_bootstrap::open_bound_as(&tree.source, namespace.as_fd());
    match (mapped, &tree.copy_to) {
        (Ok(opened), _) => Ok(opened),
        // The file system cannot be id-mapped: show a copy that everybody may read.
        (Err(error), Some(copy))
            if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) =>
        {
            let parent = copy.parent().expect("a copy has a place in the workspace");
            std::fs::create_dir_all(parent).map_err(failed(parent))?;
            let copied = crate::catalog::copy_tree(&tree.source, copy);
            copied.map_err(|error| failed(copy)(io::Error::other(error)))?;
            plain(copy).map_err(failed(copy))
        }
        (Err(error), _) => Err(failed(&tree.source)(error)),
    }
}

fn plain(path: &Path) -> io::Result<OwnedFd> {
    lambdabox_bootstrap::open_bound(path, Use::ReadOnly)
}
