//! Finding build tools, and running one command with everything it says.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::BuildError;
use super::home::Owner;
use super::recipe::Step;
use crate::usage::{Say, stderr};

/// Where installers put tools without adding to everybody's search path, below a home …
const PLACES_AT_HOME: [&str; 7] = [
    ".cargo/bin",
    "go/bin",
    ".dotnet",
    ".local/bin",
    ".rbenv/shims",
    ".sdkman/candidates/maven/current/bin",
    ".sdkman/candidates/gradle/current/bin",
];
/// … and for the whole machine.
const PLACES: [&str; 5] = [
    "/usr/local/go/bin",
    "/usr/share/dotnet",
    "/usr/lib/dotnet",
    "/opt/maven/bin",
    "/opt/gradle/bin",
];

/// How to get a tool.
const REMEDIES: [(&str, &str); 7] = [
    ("go", "install Go: apt-get install golang-go, or the archive of go.dev/dl"),
    ("cargo", "install Rust: apt-get install cargo, or rustup of rustup.rs"),
    ("mvn", "install Maven: apt-get install maven, or add Maven's wrapper (mvnw) to the project"),
    (
        "gradle",
        "add Gradle's wrapper (gradlew) to the project, or install Gradle: sdk install gradle",
    ),
    (
        "dotnet",
        "install the .NET SDK: apt-get install dotnet-sdk-8.0, or dotnet-install.sh of dot.net",
    ),
    ("npm", "install Node.js with npm: apt-get install npm, or nvm install --lts"),
    ("bundle", "install Bundler: apt-get install ruby-bundler, or gem install bundler"),
];

/// The end of what a command printed that is kept to be shown if it fails.
const KEPT_BYTES: usize = 1024 * 1024;
/// The most that is taken of a command's answer.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How often a person is shown how far it is.
const TICK: Duration = Duration::from_millis(200);
/// What a line of progress may take of a terminal's width.
const PROGRESS_COLUMNS: usize = 72;
/// Daemons that a tool leaves behind hold its pipes open; what it said itself is there by then.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The tools of this machine, for the user who builds.
pub(super) struct Tools<'a> {
    directories: Vec<PathBuf>,
    owner: Option<&'a Owner>,
}

/// Where standard output of a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StandardOutput {
    /// To what is shown if it fails.
    Shown,
    /// To whoever asked.
    Answer,
}

impl<'a> Tools<'a> {
    /// `home` is that of the user who builds.
    pub(super) fn of(home: Option<&Path>, owner: Option<&'a Owner>) -> Self {
        let path =
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let mut directories: Vec<PathBuf> =
            std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect();
        let at_home = PLACES_AT_HOME.iter().filter_map(|below| Some(home?.join(below)));
        directories.extend(at_home.chain(PLACES.iter().map(PathBuf::from)));
        Self { directories, owner }
    }

    /// The program of a step; one of the project's own is named by a path.
    pub(super) fn find(&self, step: &Step, language: &'static str) -> Result<PathBuf, BuildError> {
        if step.program.contains('/') {
            return Ok(step.directory.join(&step.program));
        }
        let mut files = self.directories.iter().map(|dir| dir.join(&step.program));
        files.find(|file| is_program(file)).ok_or_else(|| {
            let known = REMEDIES.iter().find(|(tool, _)| *tool == step.program);
            BuildError::NoTool {
                tool: step.program.clone(),
                language,
                remedy: known.map_or_else(
                    || format!("install {} and see that PATH leads to it", step.program),
                    |(_, remedy)| (*remedy).to_owned(),
                ),
            }
        })
    }

    /// Runs a step to its end. What it printed is shown if that is a bad one, or as it comes if more
    /// was asked for.
    pub(super) fn run(
        &self,
        step: &Step,
        program: &Path,
        stdout: StandardOutput,
        say: &Say,
    ) -> io::Result<(ExitStatus, Vec<u8>)> {
        let mut child = self.command(step, program)?.spawn()?;
        let shared = Arc::new(Mutex::new(Said::default()));
        let (sender, ended) = mpsc::channel();
        let streams: [(Option<Box<dyn Read + Send>>, StandardOutput); 2] = [
            (child.stdout.take().map(|s| Box::new(s) as _), stdout),
            (child.stderr.take().map(|s| Box::new(s) as _), StandardOutput::Shown),
        ];
        for (stream, goes) in streams {
            let Some(stream) = stream else { continue };
            let (shared, sender, passed) = (Arc::clone(&shared), sender.clone(), say.is_verbose());
            thread::spawn(move || listen(stream, goes, passed, &shared, sender));
        }
        drop(sender);
        let status = attend(&mut child, &ended, &shared, say)?;
        let mut said = lock(&shared);
        if !status.success() && !say.is_verbose() {
            let mut output = std::mem::take(&mut said.shown);
            if output.last().is_some_and(|last| *last != b'\n') {
                output.push(b'\n');
            }
            stderr::write(output);
        }
        Ok((status, std::mem::take(&mut said.answer)))
    }

    fn command(&self, step: &Step, program: &Path) -> io::Result<Command> {
        let mut command = Command::new(program);
        command.args(&step.arguments).current_dir(&step.directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Tools call one another.
        let path = std::env::join_paths(&self.directories).map_err(io::Error::other)?;
        command.env("PATH", path);
        command.envs(step.variables.iter().map(|(name, value)| (name, value)));
        if let Some(owner) = self.owner {
            command.uid(owner.uid).gid(owner.gid);
            command.env("HOME", &owner.home).env("USER", &owner.name).env("LOGNAME", &owner.name);
        }
        Ok(command)
    }
}

/// What a command has said.
#[derive(Default)]
struct Said {
    shown: Vec<u8>,
    answer: Vec<u8>,
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    // Nothing in it is half-done between two calls.
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes everything of a stream. Dropping `_sender` tells that it has ended.
fn listen(
    mut stream: Box<dyn Read + Send>,
    goes: StandardOutput,
    passed: bool,
    said: &Mutex<Said>,
    _sender: Sender<()>,
) {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let taken = match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(taken) => &chunk[..taken],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mut said = lock(said);
        if goes == StandardOutput::Answer {
            let room = ANSWER_BYTES.saturating_sub(said.answer.len()).min(taken.len());
            said.answer.extend_from_slice(&taken[..room]);
            continue;
        }
        if passed {
            stderr::write(taken.to_vec());
        }
        said.shown.extend_from_slice(taken);
        let over = said.shown.len().saturating_sub(KEPT_BYTES);
        said.shown.drain(..over);
    }
}

/// Waits for a command, and shows a person meanwhile that it goes on.
fn attend(
    child: &mut Child,
    streams: &mpsc::Receiver<()>,
    said: &Mutex<Said>,
    say: &Say,
) -> io::Result<ExitStatus> {
    let begun = Instant::now();
    let is_seen = say.shows_progress() && !say.is_verbose();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        match streams.recv_timeout(TICK) {
            Err(RecvTimeoutError::Disconnected) => break child.wait()?,
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
        }
        if is_seen {
            let line = progress(begun.elapsed(), &lock(said).shown);
            stderr::write(format!("\r\u{1b}[K{line}").into_bytes());
        }
    };
    if is_seen {
        stderr::write(b"\r\x1b[K".to_vec());
    }
    let _all_said_or_daemons_left = streams.recv_timeout(LAST_WORDS);
    Ok(status)
}

/// Seconds, and the last whole line that holds something.
fn progress(elapsed: Duration, shown: &[u8]) -> String {
    let tail = &shown[shown.len().saturating_sub(4096)..];
    let text = String::from_utf8_lossy(tail);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).collect();
    let line = format!("{:>4} s  {clean}", elapsed.as_secs());
    line.chars().take(PROGRESS_COLUMNS).collect()
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_one_short_line_without_anything_a_terminal_obeys() {
        let long = "x".repeat(200);
        let shown = format!("first\n   Compiling \u{1b}[2Ja {long}\n\n");
        let line = progress(Duration::from_secs(12), shown.as_bytes());
        assert!(line.starts_with("  12 s  Compiling [2Ja xxx"), "{line}");
        assert_eq!(line.chars().count(), PROGRESS_COLUMNS);
        assert_eq!(progress(Duration::ZERO, b""), "   0 s  ");
    }
}
