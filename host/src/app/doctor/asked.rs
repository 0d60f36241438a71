//! One `lambdabox doctor`, from what was asked to an exit status.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use lambdabox_runtimes::discover::Search;

use super::checks::{self, Status};
use super::facts::Facts;
use super::render;
use crate::config::{Color, Isolation, Verbosity};
use crate::model::time_scale;
use crate::usage::{Device, Say};

/// Functions cannot run here; the same as when a sandbox could not be made.
const EXIT_CANNOT_RUN: u8 = 3;
/// What was found could not be printed, which says nothing about functions.
const EXIT_UNPRINTED: u8 = 2;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Aligned lines for people.
    Text,
    /// One JSON object for programs.
    Json,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Doctor {
    /// The directory that holds `proc`, `sys`, `dev` and the programs; `/` but for tests.
    pub root: PathBuf,
    /// What is printed.
    pub form: Form,
    /// Colours of the text.
    pub color: Color,
    /// What `invoke` would be asked for.
    pub isolation: Isolation,
    /// Quiet leaves out what is in order; verbose adds where each fact was read.
    pub verbosity: Verbosity,
}

/// Looks at the machine and prints what it offers: exit status 0 if functions can run, else 3, and 2
/// if it cannot be printed.
pub fn doctor(asked: &Doctor) -> ExitCode {
    let say = Say::new(asked.color, asked.verbosity);
    let search = Search { time_scale: time_scale(), ..Search::from_environment() };
    let facts = match Facts::gather(&asked.root, search) {
        Ok(facts) => facts,
        Err(error) => {
            say.error(&error, Some("mount -t proc proc /proc"));
            return ExitCode::from(EXIT_CANNOT_RUN);
        }
    };
    let checks = checks::all(&facts, asked.isolation);
    let mut stdout = io::stdout();
    let text = match asked.form {
        Form::Json => render::json(&checks),
        Form::Text => {
            let paint = match Device::of(&stdout).is_colored(asked.color) {
                true => render::Paint::Colored,
                false => render::Paint::Plain,
            };
            render::text(&checks, paint, asked.verbosity)
        }
    };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        // A reader that has seen enough; the exit status still says it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(source) => {
            say.error(&Unprinted { source }, None);
            return ExitCode::from(EXIT_UNPRINTED);
        }
    }
    match checks::worst(&checks) {
        Status::Missing => ExitCode::from(EXIT_CANNOT_RUN),
        Status::Ok | Status::Warn => ExitCode::SUCCESS,
    }
}

/// Standard output took nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct Unprinted {
    source: io::Error,
}
