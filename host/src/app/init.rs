//! `lambdabox init`: a function to begin with, written into an empty directory.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lambdabox_runtimes::Template;

use super::error::AppError;
use crate::config::{Color, Verbosity};
use crate::usage::Say;

/// How alike a name must be to be the one that was meant.
const LIKENESS: f64 = 0.7;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Init {
    /// The names, each with a line about it.
    List,
    /// Write one.
    Write {
        /// Its name.
        template: String,
        /// Absolute; of the template's name in the working directory if nobody said.
        directory: PathBuf,
        /// How much is said.
        verbosity: Verbosity,
    },
}

/// Lists templates or writes one.
pub fn init(asked: &Init) -> ExitCode {
    let speaks = |verbosity| Say::new(Color::Auto, verbosity);
    let (say, result) = match asked {
        Init::List => (speaks(Verbosity::Normal), list()),
        Init::Write { template, directory, verbosity } => {
            let say = speaks(*verbosity);
            (say, write(template, directory, &say))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say.error(&error, error.hint().as_deref());
            ExitCode::from(error.exit_code())
        }
    }
}

fn list() -> Result<(), AppError> {
    let width = Template::all().iter().map(|template| template.name.len()).max().unwrap_or(0);
    let line = |template: &Template| {
        format!("{:width$}  {}\n", template.name, template.manifest().summary)
    };
    let text: String = Template::all().iter().map(line).collect();
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        // A reader that has seen enough is no failure.
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(AppError::Write { path: "standard output".into(), source })
        }
        _ => Ok(()),
    }
}

fn write(name: &str, directory: &Path, say: &Say) -> Result<(), AppError> {
    let Some(template) = Template::all().iter().find(|template| template.name == name) else {
        let likeness = |template: &Template| strsim::jaro_winkler(template.name, name);
        let meant = Template::all()
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
            .filter(|template| likeness(template) > LIKENESS);
        return Err(AppError::Usage {
            message: format!("there is no template {name}"),
            hint: Some(match meant {
                Some(meant) => {
                    format!("did you mean {}? lambdabox init --list has all", meant.name)
                }
                None => "lambdabox init --list has all".to_owned(),
            }),
        });
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| AppError::Write { path, source }
    };
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(AppError::Usage {
                    message: format!("{} is not empty", directory.display()),
                    hint: Some("name a directory that is empty or not there yet".to_owned()),
                });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(directory)(error)),
    }
    for file in template.files {
        let path = directory.join(file.name);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(failed(parent))?;
        fs::write(&path, file.bytes).map_err(failed(&path))?;
        if file.is_executable {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, mode).map_err(failed(&path))?;
        }
    }
    let names: Vec<&str> = template.files.iter().map(|file| file.name).collect();
    let build = if template.manifest().build { " --build" } else { "" };
    let directory = directory.display().to_string();
    let quoted = shlex::try_quote(&directory).unwrap_or_else(|_| directory.as_str().into());
    say.notice(&format!("wrote {} into {directory}", names.join(", ")));
    say.notice(&format!("run it with: cd {quoted} && lambdabox invoke .{build} -e event.json"));
    Ok(())
}
