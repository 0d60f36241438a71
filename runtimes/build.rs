//! Collects the language folders, so that adding a language is adding a folder and nothing else.
//!
//! Every folder beside `src` that holds a `runtime.toml` becomes one entry of `FOLDERS`: its name,
//! its manifest, and its language loop (`bootstrap.<ext>`) if it has one. A table kept by hand would
//! be a second place to edit and could forget a folder; the manifests themselves are parsed by
//! `catalogue.rs`, so this script needs no dependency.
//!
//! Every folder of `templates` becomes one entry of `TEMPLATES`, each of its files as bytes with its
//! executable bit.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What tools leave in a template that was tried where it stands.
const NO_SOURCES: [&str; 6] = ["target", "node_modules", "bin", "obj", "__pycache__", ".lambdabox"];

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

    let entries: String = sorted(&root.join("templates")).iter().map(|t| template(t)).collect();
    let source = format!("pub(crate) const TEMPLATES: &[Template] = &[\n{entries}];\n");
    fs::write(out.join("templates.rs"), source).expect("OUT_DIR is writable");
}

/// One `Template { … }` literal.
fn template(folder: &Path) -> String {
    let mut files = String::new();
    add_files(folder, folder, &mut files);
    let manifest = folder.join("template.toml").display().to_string();
    format!(
        "    Template {{ name: {:?}, manifest: include_str!({manifest:?}), files: &[\n{files}    ] }},\n",
        file_name(folder)
    )
}

fn add_files(folder: &Path, directory: &Path, into: &mut String) {
    for path in sorted(directory) {
        if NO_SOURCES.contains(&file_name(&path).as_str()) || path.ends_with("template.toml") {
            continue;
        }
        let metadata = fs::metadata(&path).expect("a file of a template is readable");
        if metadata.is_dir() {
            add_files(folder, &path, into);
            continue;
        }
        let name = path.strip_prefix(folder).expect("it is below").display().to_string();
        let is_executable = metadata.permissions().mode() & 0o111 != 0;
        let path = path.display().to_string();
        into.push_str(&format!(
            "        TemplateFile {{ name: {name:?}, bytes: include_bytes!({path:?}), \
             is_executable: {is_executable} }},\n"
        ));
    }
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a folder of the crate is readable");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a folder of the crate is readable").path()).collect();
    paths.sort();
    paths
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
