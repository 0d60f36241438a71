//! Which versions serve, and who still uses an old one.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::model::Version;

/// What no longer serves.
#[derive(Debug, Clone)]
pub enum Change {
    /// New code, configuration or reservation.
    Replaced {
        /// What served.
        old: Arc<Version>,
        /// What serves now.
        new: Arc<Version>,
    },
    /// The function was deleted.
    Removed {
        /// What served.
        old: Arc<Version>,
    },
}

/// Told every change, after it was made.
pub type Observer = Arc<dyn Fn(Change) + Send + Sync>;

/// The versions that serve, by function name, and all that somebody may still hold.
#[derive(Default)]
pub(super) struct Serving {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_name: HashMap<String, Arc<Version>>,
    handed_out: Vec<Weak<Version>>,
}

impl Serving {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Version>> {
        self.lock().by_name.get(name).cloned()
    }

    /// Makes a version serve; what served before.
    pub(super) fn put(&self, version: Arc<Version>) -> Option<Arc<Version>> {
        let mut state = self.lock();
        state.handed_out.retain(|version| version.strong_count() > 0);
        state.handed_out.push(Arc::downgrade(&version));
        state.by_name.insert(version.function.name.clone(), version)
    }

    pub(super) fn remove(&self, name: &str) -> Option<Arc<Version>> {
        self.lock().by_name.remove(name)
    }

    /// Directories of every version that somebody holds.
    pub(super) fn in_use(&self) -> BTreeSet<PathBuf> {
        let held: Vec<Arc<Version>> =
            self.lock().handed_out.iter().filter_map(Weak::upgrade).collect();
        held.iter()
            .flat_map(|version| version.layers.iter().chain([&version.code]))
            .cloned()
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one insertion or removal, whole even if its maker panicked later.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("functions", &self.lock().by_name.len()).finish()
    }
}
