//! Collects the language folders, so that adding a language is adding a folder and nothing else.
//!
//! Every folder beside `src` that holds a `runtime.toml` becomes one entry of `FOLDERS`: its name,
//! its manifest, and its language loop (`bootstrap.<ext>`) if it has one. A table kept by hand would
//! be a second place to edit and could forget a folder; the manifests themselves are parsed by
//! `catalogue.rs`, so this script needs no dependency.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed={}", root.display());

    let mut folders: Vec<PathBuf> = fs::read_dir(&root)
        .expect("the crate's own directory is readable")
        .map(|entry| entry.expect("the crate's own directory is readable").path())
        .filter(|path| path.join("runtime.toml").is_file())
        .collect();
    folders.sort();

    let entries: String = folders.iter().map(|folder| entry(folder)).collect();
    let source = format!("pub(crate) const FOLDERS: &[Folder] = &[\n{entries}];\n");
    fs::write(out.join("folders.rs"), source).expect("OUT_DIR is writable");
}

/// One `Folder { … }` literal.
fn entry(folder: &Path) -> String {
    let name = file_name(folder);
    let language_loop = match loop_of(folder) {
        Some(path) => format!(
            "Some(LoopFile {{ name: {:?}, text: include_str!({:?}) }})",
            file_name(&path),
            path.display().to_string()
        ),
        None => "None".to_owned(),
    };
    let manifest = folder.join("runtime.toml").display().to_string();
    format!(
        "    Folder {{ name: {name:?}, manifest: include_str!({manifest:?}), \
         language_loop: {language_loop} }},\n"
    )
}

/// The one file named `bootstrap.<ext>`.
fn loop_of(folder: &Path) -> Option<PathBuf> {
    let mut loops: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder of the crate is readable")
        .map(|entry| entry.expect("a folder of the crate is readable").path())
        .filter(|path| path.is_file() && path.file_stem().is_some_and(|stem| stem == "bootstrap"))
        .collect();
    assert!(loops.len() <= 1, "{} holds more than one language loop", folder.display());
    loops.pop()
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a joined path ends in a name").to_string_lossy().into_owned()
}
