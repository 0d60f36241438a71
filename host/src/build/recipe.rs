//! Which commands make a package of a project. Files are looked at, nothing is run.
//!
//! # Invariants
//! - Tools that insist on writing beside the sources (`npm`, `bundle`, builds of Python projects) get a
//!   copy to do it in; compilers keep the caches they have in the project anyway.
//!
//! # Sources
//! AWS's developer guide, packaging of each language: Go and Rust as one static `bootstrap`, Java as
//! classes with `lib/`, Python and Node.js as sources beside their packages, Ruby with `vendor/bundle`.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::BuildError;
use super::project::{Kind, dotnet_projects};

/// Where a build works; everything below is lambdabox's own.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The project.
    pub(super) root: PathBuf,
    /// What becomes the package; it is there and empty.
    pub(super) package: PathBuf,
    /// A copy of the sources, if a recipe asks for one.
    pub(super) scratch: PathBuf,
    /// For files of a recipe's own.
    pub(super) own: PathBuf,
}

/// What only the machine knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    /// Python whose packages are wanted.
    pub(super) python: Option<PathBuf>,
    /// A target of Rust's whose programs need nothing of the machine's, if it is installed.
    pub(super) static_target: Option<String>,
}

/// Where the sources go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sources {
    /// Into the package, before the commands run in it.
    First,
    /// Into the package, over what the commands have put there.
    Last,
    /// Into the package last, and into a copy for the commands first.
    CopiedToo,
    /// Nowhere: the package is what the commands make of them.
    Left,
}

/// What is taken besides what the commands put into the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Take {
    Nothing,
    /// The program that cargo says it made, as `bootstrap`.
    CargoProgram,
    /// What is in a directory.
    Directory(PathBuf),
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) directory: PathBuf,
    pub(super) variables: Vec<(&'static str, String)>,
}

/// How a package is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) sources: Sources,
    pub(super) steps: Vec<Step>,
    pub(super) take: Take,
    /// Files of the recipe's own, which its commands read.
    pub(super) files: Vec<(PathBuf, &'static str)>,
}

/// Copies what a Gradle project's own tasks make into the package, whatever its plugins are.
const GRADLE_INIT: &str = r"// Written by `lambdabox build`: adds one task that copies classes and run-time libraries.
rootProject {
    afterEvaluate { project ->
        if (!project.plugins.hasPlugin('java')) return
        project.tasks.register('lambdaboxPackage', Copy) {
            into System.getenv('ARTIFACTS_DIR')
            from project.sourceSets.main.output
            into('lib') { from project.configurations.runtimeClasspath }
        }
    }
}
";
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

impl Step {
    fn new(directory: &Path, line: &[&str]) -> Self {
        let (program, arguments) = line.split_first().expect("a command has a program");
        Self {
            program: (*program).to_owned(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            directory: directory.to_owned(),
            variables: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// As it would be typed, directory apart.
    pub(super) fn line(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,:/@%".contains(c);
        let quoted = |text: &str| {
            if !text.is_empty() && text.chars().all(is_plain) {
                return text.to_owned();
            }
            // A nul, which alone cannot be quoted, is in no command that can be run either.
            shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
        };
        let variables =
            self.variables.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = std::iter::once(&self.program).chain(&self.arguments);
        variables.chain(words.map(|word| quoted(word))).collect::<Vec<_>>().join(" ")
    }
}

impl Recipe {
    fn new(sources: Sources, steps: Vec<Step>) -> Self {
        Self { sources, steps, take: Take::Nothing, files: Vec::new() }
    }

    /// A command of the user's own, which fills `ARTIFACTS_DIR`.
    pub(super) fn of_command(command: &str, places: &Places) -> Self {
        let step = Step::new(&places.root, &["sh", "-c", command])
            .with("ARTIFACTS_DIR", places.package.to_string_lossy());
        Self::new(Sources::Left, vec![step])
    }

    /// The recipe of a kind of project.
    pub(super) fn of(kind: Kind, places: &Places, machine: &Machine) -> Result<Self, BuildError> {
        match kind {
            Kind::Go => go(places),
            Kind::Cargo => Ok(cargo(places, machine)),
            Kind::Maven => maven(places),
            Kind::Gradle => Ok(gradle(places)),
            Kind::DotNet => dotnet(places),
            Kind::Npm => npm(places),
            Kind::Pip => pip(places, machine),
            Kind::Bundler => Ok(bundler(places)),
            Kind::Plain => Ok(Self::new(Sources::First, Vec::new())),
        }
    }
}

/// AWS's processor here is that of the machine.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn go(places: &Places) -> Result<Recipe, BuildError> {
    let main = go_main(&places.root)?;
    let step = Step::new(
        &places.root,
        &["go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o"],
    )
    .argument(places.package.join("bootstrap").to_string_lossy())
    .argument(main)
    .with("CGO_ENABLED", "0")
    .with("GOOS", "linux")
    .with("GOARCH", go_architecture());
    Ok(Recipe::new(Sources::Left, vec![step]))
}

/// The package with `main`: the module's own, or the only one below `cmd`.
fn go_main(root: &Path) -> Result<String, BuildError> {
    let is_main = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut files =
            entries.map(|e| e.path()).filter(|f| f.extension().is_some_and(|e| e == "go"));
        files.any(|file| {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.lines().any(|line| line.trim_end() == "package main")
        })
    };
    if is_main(root) {
        return Ok(".".to_owned());
    }
    let entries = fs::read_dir(root.join("cmd")).into_iter().flatten().flatten();
    let mut mains: Vec<PathBuf> = entries.map(|e| e.path()).filter(|dir| is_main(dir)).collect();
    mains.sort();
    let named = |dir: &PathBuf| format!("./cmd/{}", dir.file_name().unwrap_or_default().display());
    match mains.as_slice() {
        [one] => Ok(named(one)),
        [] => Err(BuildError::NothingMade {
            root: root.to_owned(),
            missing: "there is no `package main` in it or below cmd/".to_owned(),
            remedy:
                "a function in Go is a program: `package main` that calls lambda.Start(handler)"
                    .to_owned(),
        }),
        several => Err(BuildError::Several {
            root: root.to_owned(),
            found: several.iter().map(named).collect::<Vec<_>>().join(", "),
            remedy: format!(
                "--build-cmd 'CGO_ENABLED=0 go build -o \"$ARTIFACTS_DIR/bootstrap\" {}'",
                named(&several[0])
            ),
        }),
    }
}

fn cargo(places: &Places, machine: &Machine) -> Recipe {
    let mut step = Step::new(
        &places.root,
        &["cargo", "build", "--release", "--message-format", "json-render-diagnostics"],
    );
    if let Some(target) = &machine.static_target {
        step = step.argument("--target").argument(target);
    }
    Recipe { take: Take::CargoProgram, ..Recipe::new(Sources::Left, vec![step]) }
}

fn maven(places: &Places) -> Result<Recipe, BuildError> {
    let pom = places.root.join("pom.xml");
    let text = fs::read_to_string(&pom).map_err(BuildError::file("read", &pom))?;
    if text.contains("<packaging>pom</packaging>") {
        return Err(BuildError::Several {
            root: places.root.clone(),
            found: "a parent with modules in its pom.xml".to_owned(),
            remedy: "name the directory of the module that is the function".to_owned(),
        });
    }
    let program = if places.root.join("mvnw").is_file() { "./mvnw" } else { "mvn" };
    let lib = places.package.join("lib");
    let step = Step::new(&places.root, &[program, "-B", "-DskipTests", "package", MAVEN_COPY])
        .argument("-DincludeScope=runtime")
        .argument(format!("-DoutputDirectory={}", lib.display()));
    let take = Take::Directory(places.root.join("target/classes"));
    Ok(Recipe { take, ..Recipe::new(Sources::Left, vec![step]) })
}

fn gradle(places: &Places) -> Recipe {
    let program = if places.root.join("gradlew").is_file() { "./gradlew" } else { "gradle" };
    let script = places.own.join("package.init.gradle");
    let step = Step::new(&places.root, &[program, "--console", "plain", "--init-script"])
        .argument(script.to_string_lossy())
        .argument("lambdaboxPackage")
        .with("ARTIFACTS_DIR", places.package.to_string_lossy());
    Recipe { files: vec![(script, GRADLE_INIT)], ..Recipe::new(Sources::Left, vec![step]) }
}

fn dotnet(places: &Places) -> Result<Recipe, BuildError> {
    let projects = dotnet_projects(&places.root);
    let [project] = projects.as_slice() else {
        let names =
            projects.iter().map(|p| p.file_name().unwrap_or_default().display().to_string());
        return Err(BuildError::Several {
            root: places.root.clone(),
            found: names.collect::<Vec<_>>().join(", "),
            remedy: "--build-cmd 'dotnet publish NAME.csproj -c Release -o \"$ARTIFACTS_DIR\"'"
                .to_owned(),
        });
    };
    let step = Step::new(&places.root, &["dotnet", "publish"])
        .argument(project.file_name().unwrap_or_default().to_string_lossy())
        .argument("--nologo")
        .argument("--configuration")
        .argument("Release")
        .argument("--output")
        .argument(places.package.to_string_lossy());
    Ok(Recipe::new(Sources::Left, vec![step]))
}

fn npm(places: &Places) -> Result<Recipe, BuildError> {
    let file = places.root.join("package.json");
    let text = fs::read(&file).map_err(BuildError::file("read", &file))?;
    let manifest: serde_json::Value = serde_json::from_slice(&text).map_err(|error| {
        BuildError::Unreadable { file: file.clone(), message: error.to_string() }
    })?;
    let has = |name: &str| manifest[name].as_object().is_some_and(|object| !object.is_empty());
    let locks = ["package-lock.json", "npm-shrinkwrap.json"];
    let is_locked = locks.iter().any(|lock| places.root.join(lock).is_file());
    let quiet = ["--no-audit", "--no-fund"];
    let install = |more: &[&str]| {
        let how: &[&str] = if is_locked { &["ci"] } else { &["install", "--no-package-lock"] };
        Step::new(&places.package, &[&["npm"], how, more, &quiet].concat())
    };
    // What its author calls building, for a translator for example, needs also what is for developing.
    let steps = if manifest["scripts"]["build"].is_string() {
        vec![
            install(&[]),
            Step::new(&places.package, &["npm", "run", "build"]),
            Step::new(&places.package, &[&["npm", "prune", "--omit=dev"][..], &quiet].concat()),
        ]
    } else if has("dependencies") || has("optionalDependencies") {
        vec![install(&["--omit=dev"])]
    } else {
        Vec::new()
    };
    Ok(Recipe::new(Sources::First, steps))
}

/// What of a `pyproject.toml` decides how its packages are installed (PEP 518, PEP 621).
#[derive(Debug, serde::Deserialize)]
struct PyProject {
    #[serde(rename = "build-system")]
    build_system: Option<toml::Table>,
    project: Option<PyProjectTable>,
}

#[derive(Debug, serde::Deserialize)]
struct PyProjectTable {
    #[serde(default)]
    dependencies: Vec<String>,
}

fn pip(places: &Places, machine: &Machine) -> Result<Recipe, BuildError> {
    let python = machine.python.as_deref().unwrap_or(Path::new("python3")).to_string_lossy();
    let install = |directory: &Path| {
        let line = [&*python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"];
        let step = Step::new(directory, &line).argument("--target");
        step.argument(places.package.to_string_lossy())
    };
    if places.root.join("requirements.txt").is_file() {
        let step = install(&places.root).argument("--requirement").argument("requirements.txt");
        return Ok(Recipe::new(Sources::Last, vec![step]));
    }
    let file = places.root.join("pyproject.toml");
    let text = fs::read_to_string(&file).map_err(BuildError::file("read", &file))?;
    let parsed: PyProject = toml::from_str(&text).map_err(|error| BuildError::Unreadable {
        file: file.clone(),
        message: error.message().to_owned(),
    })?;
    if parsed.build_system.is_some() {
        // It is a package itself, and building one leaves files beside its sources.
        return Ok(Recipe::new(Sources::CopiedToo, vec![install(&places.scratch).argument(".")]));
    }
    let dependencies = parsed.project.map(|project| project.dependencies).unwrap_or_default();
    let steps = match dependencies.is_empty() {
        true => Vec::new(),
        false => vec![dependencies.into_iter().fold(install(&places.root), Step::argument)],
    };
    Ok(Recipe::new(Sources::Last, steps))
}

fn bundler(places: &Places) -> Recipe {
    let mut step = Step::new(&places.package, &["bundle", "install"])
        .with("BUNDLE_PATH", "vendor/bundle")
        .with("BUNDLE_WITHOUT", "development:test");
    if places.root.join("Gemfile.lock").is_file() {
        step = step.with("BUNDLE_FROZEN", "true");
    }
    Recipe::new(Sources::First, vec![step])
}

#[cfg(test)]
mod tests;
