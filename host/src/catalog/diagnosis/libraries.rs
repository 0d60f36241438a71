//! Where the dynamic loader inside would look for libraries, and which it would not find.
//!
//! # Sources
//! ld.so(8): the order of places; `reference/runtime-api.md` 6.1: `LD_LIBRARY_PATH` of a function.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;

use super::program::{Fault, on_host};

/// `LD_LIBRARY_PATH` of a function, as far as a package or a layer fills it.
const LIBRARY_PATH: [&str; 3] = ["/var/task", "/var/task/lib", "/opt/lib"];
/// What the loader looks through without being told.
const STANDARD: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
/// Libraries that are looked into; no program has so many.
const MOST_LIBRARIES: usize = 512;
/// The C library, whose versions are its symbols' names.
const C_LIBRARY: &str = "libc.so.6";
const C_VERSION: &str = "GLIBC_";

/// Places of libraries in a sandbox.
pub(super) struct Libraries<'a> {
    task: &'a Path,
    layers: Option<&'a Path>,
    machines: Vec<PathBuf>,
}

impl<'a> Libraries<'a> {
    pub(super) fn of_sandbox(task: &'a Path, layers: Option<&'a Path>) -> Self {
        Self { task, layers, machines: machines_directories() }
    }

    /// The host's file for a path inside.
    pub(super) fn host_of(&self, path: &Path) -> PathBuf {
        on_host(path, self.task, self.layers)
    }

    /// The first library, in the loader's order, that is not found or too old.
    pub(super) fn missing(&self, program: &Elf<'_>, file: &Path) -> Option<Fault> {
        let mut seen = BTreeSet::new();
        if let Some(fault) = self.too_old(program) {
            return Some(fault);
        }
        self.missing_of(program, file, None, &mut seen)
    }

    fn missing_of(
        &self,
        object: &Elf<'_>,
        file: &Path,
        name: Option<&str>,
        seen: &mut BTreeSet<String>,
    ) -> Option<Fault> {
        for library in &object.libraries {
            if seen.len() >= MOST_LIBRARIES || !seen.insert((*library).to_owned()) {
                continue;
            }
            let Some(found) = self.find(library, object, file) else {
                let needed_by = name.map(str::to_owned);
                return Some(Fault::Library { library: (*library).to_owned(), needed_by });
            };
            // The machine's own libraries are complete.
            if !found.starts_with(self.task) && !self.layers.is_some_and(|l| found.starts_with(l)) {
                continue;
            }
            let bytes = fs::read(&found).ok()?;
            let Ok(parsed) = Elf::parse(&bytes) else { continue };
            let fault = self.missing_of(&parsed, &found, Some(library), seen);
            if fault.is_some() {
                return fault;
            }
        }
        None
    }

    fn find(&self, library: &str, object: &Elf<'_>, file: &Path) -> Option<PathBuf> {
        if library.contains('/') {
            return Some(self.host_of(Path::new(library))).filter(|path| path.exists());
        }
        let origin = file.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        let own = object.runpaths.iter().chain(&object.rpaths).flat_map(|paths| paths.split(':'));
        let own = own.map(|path| {
            let path = path.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
            self.host_of(Path::new(&path))
        });
        let given = LIBRARY_PATH.iter().map(|path| self.host_of(Path::new(path)));
        let standard = STANDARD.iter().map(PathBuf::from).chain(self.machines.iter().cloned());
        let mut places = own.chain(given).chain(standard);
        places.find_map(|place| Some(place.join(library)).filter(|path| path.exists()))
    }

    /// The C library a program asks for against the one that the machine has.
    fn too_old(&self, program: &Elf<'_>) -> Option<Fault> {
        let wanted = wanted(program)?;
        let bytes = fs::read(self.find(C_LIBRARY, program, Path::new("/"))?).ok()?;
        let library = Elf::parse(&bytes).ok()?;
        let defined = library.verdef.as_ref()?.iter().filter_map(|definition| {
            let name = definition.iter().next()?.vda_name;
            library.dynstrtab.get_at(name).map(str::to_owned)
        });
        let has = newest(defined)?;
        (wanted > has).then(|| Fault::Glibc { wanted: dotted(wanted), has: dotted(has) })
    }
}

/// The C library, by its version, that a program asks for; `None` for one that asks for none, as static
/// ones do, and for what is no program.
pub(crate) fn c_library_wanted(program: &Path) -> Option<(u32, u32)> {
    let bytes = fs::read(program).ok()?;
    wanted(&Elf::parse(&bytes).ok()?)
}

fn wanted(program: &Elf<'_>) -> Option<(u32, u32)> {
    let names = program.verneed.as_ref()?.iter().flat_map(|need| {
        let names = need
            .iter()
            .filter_map(|version| program.dynstrtab.get_at(version.vna_name).map(str::to_owned));
        names.collect::<Vec<_>>()
    });
    newest(names)
}

fn dotted((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

/// The newest of versions such as `GLIBC_2.34`.
fn newest(names: impl Iterator<Item = String>) -> Option<(u32, u32)> {
    let version = |name: String| {
        let mut numbers = name.strip_prefix(C_VERSION)?.split('.').map(|n| n.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    };
    names.filter_map(version).max()
}

/// Directories of `/etc/ld.so.conf.d`, where distributions name theirs.
fn machines_directories() -> Vec<PathBuf> {
    let files = fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten().flatten();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        found.extend(text.lines().map(str::trim).filter(|l| l.starts_with('/')).map(PathBuf::from));
    }
    found
}
