//! One build, from a directory to a package.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lambdabox_runtimes::Catalogue;
use lambdabox_runtimes::discover::{self, Compat, Search};

use super::error::BuildError;
use super::home::{Home, Owner, removed};
use super::project::{Kind, detect};
use super::recipe::{Machine, Places, Recipe, Sources, Step, Take};
use super::tools::{StandardOutput, Tools};
use super::{copy, zip_file};
use crate::catalog::c_library_wanted;
use crate::usage::Say;

/// AWS's runtimes for programs, and the glibc of each (Amazon Linux 2 and 2023).
const CUSTOM_RUNTIMES: [(&str, (u32, u32)); 2] = [("provided.al2", (2, 26)), (NEWEST, (2, 34))];
const NEWEST: &str = "provided.al2023";

/// What to build, and into what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The project's directory.
    pub(crate) project: &'a Path,
    /// A directory, or a zip by its name; absolute. `.lambdabox/build` in the project if absent.
    pub(crate) output: Option<&'a Path>,
    /// A shell's command that fills `$ARTIFACTS_DIR`, instead of what the project's kind would take.
    pub(crate) command: Option<&'a str>,
    /// AWS's identifier, if it was said: whose interpreter packages are for.
    pub(crate) runtime: Option<&'a str>,
    /// Whether a near version of it will do.
    pub(crate) compat: Compat,
}

/// Builds. What is done is said as it is done; returned is where the package is.
///
/// # Errors
/// [`BuildError`]; an earlier output is then still what it was.
pub(crate) fn build(request: Request<'_>, say: &Say) -> Result<PathBuf, BuildError> {
    let begun = Instant::now();
    let root =
        fs::canonicalize(request.project).map_err(BuildError::file("open", request.project))?;
    if !root.is_dir() {
        return Err(BuildError::NotADirectory { path: root });
    }
    // Before anything is made: a directory that is no project stays as it is.
    let kind = match request.command {
        Some(_) => None,
        None => Some(detect(&root, request.runtime)?),
    };
    let search = Search::from_environment();
    let owner = Owner::behind_sudo(search.sudo_home.clone());
    let at_home = owner.as_ref().map(|owner| owner.home.clone()).or_else(|| search.home.clone());
    let home = Home::open(&root, owner, say)?;
    let default = Home::default_output(&root);
    let output = request.output.map_or(default, canonical);
    home.may_write(&output)?;
    let work = Work {
        tools: Tools::of(at_home.as_deref(), home.owner()),
        places: home.places()?,
        home: &home,
        language: kind.map_or("the project", Kind::language),
        output: &output,
        say,
    };
    let recipe = match (request.command, kind) {
        (Some(command), _) => Recipe::of_command(command, &work.places),
        (None, Some(kind)) => {
            Recipe::of(kind, &work.places, &work.machine(kind, request, &search)?)?
        }
        (None, None) => unreachable!("without a command a kind was detected"),
    };
    say.notice(&match kind {
        Some(kind) => format!("building {} ({})", root.display(), kind.language()),
        None => format!("building {} by its own command", root.display()),
    });
    work.perform(&recipe)?;
    work.checked(kind)?;
    work.say_of_old_systems(request.runtime);
    let bytes = work.put()?;
    say.notice(&format!(
        "built {} in {:.1} s ({})",
        output.display(),
        begun.elapsed().as_secs_f64(),
        in_units(bytes)
    ));
    Ok(output)
}

/// Without links on the way to it, so that it is known again when the sources are looked through.
fn canonical(output: &Path) -> PathBuf {
    let parent = output.parent().and_then(|parent| fs::canonicalize(parent).ok());
    match (parent, output.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => output.to_owned(),
    }
}

struct Work<'a> {
    tools: Tools<'a>,
    places: Places,
    home: &'a Home,
    language: &'static str,
    output: &'a Path,
    say: &'a Say,
}

impl Work<'_> {
    /// What the recipe of this kind needs to know of the machine.
    fn machine(
        &self,
        kind: Kind,
        request: Request<'_>,
        search: &Search,
    ) -> Result<Machine, BuildError> {
        let mut machine = Machine::default();
        match kind {
            Kind::Pip => {
                let language = Catalogue::embedded().language("python");
                let language = language.expect("the python folder is embedded");
                let wanted = request.runtime.filter(|name| language.identifier(name).is_some());
                let found = discover::find(language, wanted, request.compat, search)
                    .map_err(|error| BuildError::NoInterpreter(Box::new(error)))?;
                machine.python = Some(found.executable);
            }
            Kind::Cargo => machine.static_target = self.static_target(),
            _ => {}
        }
        Ok(machine)
    }

    /// Rust's target with a C library of its own, if its standard library is installed.
    fn static_target(&self) -> Option<String> {
        let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        let arguments = ["--print", "target-libdir", "--target", &target];
        let step = Step {
            program: "rustc".to_owned(),
            arguments: arguments.map(str::to_owned).to_vec(),
            directory: self.places.root.clone(),
            variables: Vec::new(),
        };
        let program = self.tools.find(&step, "Rust").ok()?;
        self.say.detail(&format!("$ {}", step.line()));
        // Without an answer there is no such target, and the machine's own is taken.
        let (_, answer) =
            self.tools.run(&step, &program, StandardOutput::Answer, &Say::silent()).ok()?;
        let directory = String::from_utf8(answer).ok()?;
        Path::new(directory.trim()).is_dir().then_some(target)
    }

    fn perform(&self, recipe: &Recipe) -> Result<(), BuildError> {
        // All of them before the first runs.
        let programs: Vec<PathBuf> = recipe
            .steps
            .iter()
            .map(|step| self.tools.find(step, self.language))
            .collect::<Result<_, _>>()?;
        for (file, text) in &recipe.files {
            fs::write(file, text).map_err(BuildError::file("write", file))?;
        }
        let Places { root, package, scratch, own } = &self.places;
        match recipe.sources {
            Sources::First => copy::sources(root, package, self.output)?,
            Sources::CopiedToo => copy::sources(root, scratch, self.output)?,
            Sources::Last | Sources::Left => {}
        }
        self.home.give(own)?;
        let mut answers = Vec::new();
        for (step, program) in recipe.steps.iter().zip(programs) {
            answers.push(self.step(step, &program, &recipe.take)?);
        }
        match &recipe.take {
            Take::Nothing => {}
            Take::CargoProgram => self.take_program(&answers.concat())?,
            Take::Directory(directory) => copy::all(directory, package)?,
        }
        if matches!(recipe.sources, Sources::Last | Sources::CopiedToo) {
            copy::sources(root, package, self.output)?;
        }
        Ok(())
    }

    /// Says a command and runs it.
    fn step(&self, step: &Step, program: &Path, take: &Take) -> Result<Vec<u8>, BuildError> {
        let line = step.line();
        match step.directory == self.places.root {
            true => self.say.notice(&format!("$ {line}")),
            false => self.say.notice(&format!("$ cd {} && {line}", step.directory.display())),
        }
        let stdout = match take {
            Take::CargoProgram => StandardOutput::Answer,
            Take::Nothing | Take::Directory(_) => StandardOutput::Shown,
        };
        let run = self.tools.run(step, program, stdout, self.say);
        let (status, answer) = run.map_err(BuildError::file("run", program))?;
        match status.success() {
            true => Ok(answer),
            false => Err(BuildError::Command { root: self.places.root.clone(), line, status }),
        }
    }

    /// Cargo's messages name the programs it made.
    fn take_program(&self, messages: &[u8]) -> Result<(), BuildError> {
        let mut programs: Vec<PathBuf> = String::from_utf8_lossy(messages)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
            .collect();
        let is_bootstrap = |program: &PathBuf| program.ends_with("bootstrap");
        if programs.len() > 1 && programs.iter().any(is_bootstrap) {
            programs.retain(is_bootstrap);
        }
        programs.sort();
        let root = || self.places.root.clone();
        match programs.as_slice() {
            [program] => {
                let target = self.places.package.join("bootstrap");
                fs::copy(program, &target).map_err(BuildError::file("copy", program))?;
                Ok(())
            }
            [] => Err(BuildError::NothingMade {
                root: root(),
                missing: "cargo made no program".to_owned(),
                remedy:
                    "a function in Rust is a program: a src/main.rs that calls lambda_runtime::run"
                        .to_owned(),
            }),
            several => Err(BuildError::Several {
                root: root(),
                found: several
                    .iter()
                    .map(|program| program.file_name().unwrap_or_default().display().to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
                remedy:
                    "call the function's program bootstrap ([[bin]] name = \"bootstrap\"), or say \
                         which: --build-cmd 'cargo build --release --bin NAME && cp \
                         target/release/NAME \"$ARTIFACTS_DIR/bootstrap\"'"
                        .to_owned(),
            }),
        }
    }

    /// A package holds something.
    fn checked(&self, kind: Option<Kind>) -> Result<(), BuildError> {
        let package = &self.places.package;
        let mut entries = fs::read_dir(package).map_err(BuildError::file("read", package))?;
        if entries.next().is_some() {
            return Ok(());
        }
        let (missing, remedy) = match kind {
            None => (
                "the command has put nothing into $ARTIFACTS_DIR",
                "that variable names the directory that becomes the package: for example cp -r dist/. \
                 \"$ARTIFACTS_DIR\"",
            ),
            Some(_) => ("there is nothing in it that a function needs", "name another directory"),
        };
        Err(BuildError::NothingMade {
            root: self.places.root.clone(),
            missing: missing.to_owned(),
            remedy: remedy.to_owned(),
        })
    }

    /// A program that this machine's C library lets start, and AWS's does not.
    fn say_of_old_systems(&self, runtime: Option<&str>) {
        let aws = CUSTOM_RUNTIMES.iter().find(|(name, _)| runtime.unwrap_or(NEWEST) == *name);
        let wanted = c_library_wanted(&self.places.package.join("bootstrap"));
        if let (Some((name, has)), Some(wanted)) = (aws, wanted)
            && wanted > *has
        {
            self.say.warning(&format!(
                "bootstrap is built against glibc {}.{}, and {name} has {}.{} on AWS, where it would not \
                 start: build it on an older system, or statically (Rust: rustup target add {}-unknown-\
                 linux-musl; Go: CGO_ENABLED=0)",
                wanted.0,
                wanted.1,
                has.0,
                has.1,
                std::env::consts::ARCH
            ));
        }
    }

    /// Puts the package where it was asked for, in place of an earlier one; its size on disk.
    fn put(&self) -> Result<u64, BuildError> {
        let (package, output) = (&self.places.package, self.output);
        if let Some(parent) = output.parent() {
            fs::create_dir_all(parent).map_err(BuildError::file("make", parent))?;
        }
        let is_zip = output.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
        let made = match is_zip {
            true => {
                let zip = self.places.own.join("package.zip");
                zip_file::write(package, &zip)?;
                zip
            }
            false => package.clone(),
        };
        self.home.give(&made)?;
        let bytes = size_of(&made);
        removed(output)?;
        if fs::rename(&made, output).is_err() {
            // Another file system.
            match is_zip {
                true => {
                    fs::copy(&made, output).map(drop).map_err(BuildError::file("write", output))
                }
                false => fs::create_dir_all(output)
                    .map_err(BuildError::file("make", output))
                    .and_then(|()| copy::all(&made, output)),
            }?;
            self.home.give(output)?;
        }
        if output != Home::default_output(&self.places.root) {
            self.home.remember(output)?;
        }
        removed(&self.places.own)?;
        Ok(bytes)
    }
}

fn size_of(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size_of(&entry.path())).sum()
}

/// As people read sizes: 950 B, 12 kB, 7.9 MB.
fn in_units(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}
