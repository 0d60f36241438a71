//! Fixtures of compiled languages, built once for each state of their sources, and AWS's Java client.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::python::e2e_cache;

/// AWS's interfaces, which functions bring along.
const JAVA_CORE: &str = "com.amazonaws:aws-lambda-java-core:1.4.0";
/// What registers hooks.
const CRAC: &str = "io.github.crac:org-crac:0.1.3";
/// AWS's client with what it needs.
const JAVA_CLIENT: [&str; 5] = [
    "com.amazonaws:aws-lambda-java-runtime-interface-client:2.9.0",
    "com.amazonaws:aws-lambda-java-serialization:1.2.0",
    "software.amazon.awssdk:utils-lite:2.34.0",
    "software.amazon.awssdk:annotations:2.34.0",
    JAVA_CORE,
];
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

/// A function and the suite's layer, ready to be shown.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) task: PathBuf,
    pub(crate) layer: PathBuf,
}

/// The Java fixtures as class files, with AWS's interfaces in `lib`.
///
/// # Errors
/// Why they cannot be built. That is tried once: a registry out of reach costs no second wait.
pub(crate) fn java_fixture(source: &Path) -> Result<Built, String> {
    static TRIED: OnceLock<Result<Built, String>> = OnceLock::new();
    TRIED.get_or_init(|| once("java-suite", source, |into| build_java(source, into))).clone()
}

fn build_java(source: &Path, into: &Path) -> Result<(), String> {
    let (task, layer, missing) = (into.join("task"), into.join("layer"), into.join("missing"));
    let core = task.join("lib");
    maven(&[JAVA_CORE], &core)?;
    let jar = the_jar_in(&core)?;
    javac(&source.join("missing"), &missing, &jar)?;
    let class_path = format!("{}:{}", jar.display(), missing.display());
    javac(&source.join("task"), &task, Path::new(&class_path))?;
    for kept in ["wrapper", "suite/syntax_error.class"] {
        fs::copy(source.join("task").join(kept), task.join(kept)).map_err(|e| e.to_string())?;
    }
    let words = into.join("words");
    javac(&source.join("layer"), &words, &jar)?;
    let library = layer.join("java/lib");
    fs::create_dir_all(&library).map_err(|e| e.to_string())?;
    let mut archive = Command::new("jar");
    archive
        .arg("--create")
        .arg("--file")
        .arg(library.join("word.jar"))
        .arg("-C")
        .arg(words)
        .arg(".");
    run(&mut archive)
}

/// A Java function with hooks around its snapshot, on `org.crac` as its customers are.
///
/// # Errors
/// Why it cannot be built. That is tried once.
pub(crate) fn java_with_hooks() -> Result<PathBuf, String> {
    static TRIED: OnceLock<Result<Built, String>> = OnceLock::new();
    let source = fixture("snapstart");
    let build = |into: &Path| {
        let task = into.join("task");
        maven(&[CRAC], &task.join("lib"))?;
        javac(&source, &task, &the_jar_in(&task.join("lib"))?)
    };
    TRIED.get_or_init(|| once("java-hooks", &source, build)).clone().map(|built| built.task)
}

/// The Go fixtures as one static program, with AWS's library in it. There is no layer.
///
/// # Errors
/// Why they cannot be built. That is tried once.
pub(crate) fn go_fixture(source: &Path) -> Result<Built, String> {
    static TRIED: OnceLock<Result<Built, String>> = OnceLock::new();
    let build = |into: &Path| go_build(&source.join("task"), ".", &into.join("task/bootstrap"));
    TRIED.get_or_init(|| once("go-suite", source, build)).clone()
}

/// The Go extension of the fixtures.
///
/// # Errors
/// Why it cannot be built. That is tried once.
pub(crate) fn go_extension() -> Result<PathBuf, String> {
    static TRIED: OnceLock<Result<Built, String>> = OnceLock::new();
    let source = fixture("extensions/go");
    let build = |into: &Path| go_build(&source, ".", &into.join("task"));
    TRIED.get_or_init(|| once("go-extension", &source, build)).clone().map(|built| built.task)
}

/// A Go function that hears of its end, with AWS's library in it.
///
/// # Errors
/// Why it cannot be built. That is tried once.
pub(crate) fn go_graceful() -> Result<PathBuf, String> {
    static TRIED: OnceLock<Result<Built, String>> = OnceLock::new();
    let source = fixture("languages/go");
    let build = |into: &Path| go_build(&source.join("task"), "./graceful", &into.join("task"));
    TRIED.get_or_init(|| once("go-graceful", &source, build)).clone().map(|built| built.task)
}

fn go_build(module: &Path, package: &str, into: &Path) -> Result<(), String> {
    let mut command = Command::new("go");
    command.args(["build", "-buildvcs=false", "-o"]).arg(into).arg(package);
    // The Go that is here, or none: another one is not fetched.
    command.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local");
    run(command.current_dir(module))
}

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

/// A layer with AWS's client for Java, unmodified.
///
/// # Errors
/// Why it cannot be had. That is tried once.
pub(crate) fn official_java_client() -> Result<PathBuf, String> {
    static TRIED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    TRIED.get_or_init(fetch_java_client).clone()
}

fn fetch_java_client() -> Result<PathBuf, String> {
    let layer = e2e_cache().join("aws-lambda-java-layer-2.9.0-whole");
    if !layer.is_dir() {
        let making = e2e_cache().join(".making-java-client");
        let _ = fs::remove_dir_all(&making);
        maven(&JAVA_CLIENT, &making.join("java/lib"))?;
        fs::rename(&making, &layer).map_err(|e| e.to_string())?;
    }
    Ok(layer)
}

/// Whether a JDK of this version is where distributions put them. A JRE alone cannot compile the loop.
pub(crate) fn has_jdk(version: &str) -> bool {
    let roots = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    roots.into_iter().filter(|entry| entry.path().join("bin/javac").exists()).any(|entry| {
        let text = fs::read_to_string(entry.path().join("release")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""));
        line.is_some_and(|has| has.split(['.', '"']).next() == Some(version))
    })
}

/// Builds into a directory that is named after the sources; `build` leaves `task` and `layer` in it.
pub(super) fn once(
    name: &str,
    source: &Path,
    build: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<Built, String> {
    let home = once_at(name, source, build)?;
    Ok(Built { task: home.join("task"), layer: home.join("layer") })
}

/// The same, with whatever `build` leaves in it.
pub(super) fn once_at(
    name: &str,
    source: &Path,
    build: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let mut key = DefaultHasher::new();
    hash_tree(source, &mut key)?;
    let home = e2e_cache().join(format!("{name}-{:016x}", key.finish()));
    if !home.is_dir() {
        let making = e2e_cache().join(format!(".making-{name}"));
        let _ = fs::remove_dir_all(&making);
        fs::create_dir_all(&making).map_err(|e| e.to_string())?;
        build(&making)?;
        fs::rename(&making, &home).map_err(|e| e.to_string())?;
    }
    Ok(home)
}

/// By names and contents: the same in every clone.
fn hash_tree(directory: &Path, key: &mut DefaultHasher) -> Result<(), String> {
    let entries = fs::read_dir(directory).map_err(|e| e.to_string())?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        path.file_name().hash(key);
        if path.is_dir() {
            hash_tree(&path, key)?;
        } else {
            fs::read(&path).map_err(|e| e.to_string())?.hash(key);
        }
    }
    Ok(())
}

fn maven(artifacts: &[&str], into: &Path) -> Result<(), String> {
    for artifact in artifacts {
        let mut command = Command::new("mvn");
        command.args(["-q", "-B", MAVEN_COPY]).arg(format!("-Dartifact={artifact}"));
        run(command.arg(format!("-DoutputDirectory={}", into.display())))?;
    }
    Ok(())
}

fn javac(source: &Path, into: &Path, class_path: &Path) -> Result<(), String> {
    let mut command = Command::new("javac");
    command.args(["--release", "8", "-Xlint:-options", "-g", "-encoding", "UTF-8", "-d"]).arg(into);
    command.arg("-cp").arg(class_path);
    let mut files = Vec::new();
    sources(source, &mut files)?;
    run(command.args(files))
}

fn sources(directory: &Path, into: &mut Vec<PathBuf>) -> Result<(), String> {
    for entry in fs::read_dir(directory).map_err(|e| e.to_string())?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "java") {
            into.push(path);
        }
    }
    Ok(())
}

fn the_jar_in(directory: &Path) -> Result<PathBuf, String> {
    let mut entries = fs::read_dir(directory).map_err(|e| e.to_string())?.flatten();
    entries.next().map(|entry| entry.path()).ok_or_else(|| "Maven copied nothing".to_owned())
}

pub(super) fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).take(3).collect();
    Err(format!("{name} failed: {}", lines.join(" | ")))
}
