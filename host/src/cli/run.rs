//! One run of the command line, from arguments to an exit status.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Parser;

use super::args::{Cli, Command};
use super::build;
use super::doctor;
use super::documents;
use super::invoke::{self, Purpose, verbosity};
use super::serve;
use crate::app;
use crate::config::{self, Caller, Color, Verbosity};
use crate::model::set_time_scale;
use crate::usage::{Device, Say};

/// Exit status of bad usage or configuration, or a package that cannot be used.
pub const EXIT_USAGE: u8 = 2;

/// What the program behind the command line is asked for.
#[derive(Debug)]
pub enum Call {
    /// Run a function.
    Invoke(Box<config::Invoke>),
    /// Make a package; of the settings only what that takes counts.
    Build(Box<config::Invoke>),
    /// Begin a function.
    Init(app::Init),
    /// Be a host.
    Serve(Box<config::Serve>),
    /// Look at the machine.
    Doctor(app::Doctor),
    /// List the runtimes.
    Runtimes(app::Runtimes),
    /// Call a host.
    Client(Box<app::ClientCall>),
}

/// Parses the arguments (the program's name first), and calls `start` for what is not the command
/// line's own to do, once everything about it was checked and said.
///
/// Standard input is read only if the event is to come from there, standard output is left alone
/// except for what was asked to be printed there.
pub fn run(args: impl Iterator<Item = OsString>, start: impl FnOnce(Call) -> ExitCode) -> ExitCode {
    let device = Device::of(&io::stderr());
    let caller = match Caller::of_process() {
        Ok(caller) => caller,
        Err(error) => {
            let lost = Lost { source: error };
            Say::on(device, Color::Never, Verbosity::Normal).error(&lost, None);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let mut streams = Streams {
        // Not locked for the whole run: the function behind `start` has its own use for them.
        stdin: &mut io::stdin(),
        stdout: &mut io::stdout(),
        stderr: &mut io::stderr(),
        stdout_device: Device::of(&io::stdout()),
        stderr_device: device,
    };
    run_with(args, &caller, &mut streams, start)
}

/// The caller's surroundings could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell the working directory")]
struct Lost {
    source: io::Error,
}

/// Where a run reads and writes.
pub(crate) struct Streams<'a> {
    pub(crate) stdin: &'a mut dyn Read,
    pub(crate) stdout: &'a mut dyn Write,
    pub(crate) stderr: &'a mut dyn Write,
    pub(crate) stdout_device: Device,
    pub(crate) stderr_device: Device,
}

/// [`run`] with everything it touches handed in.
pub(crate) fn run_with(
    args: impl Iterator<Item = OsString>,
    caller: &Caller,
    streams: &mut Streams<'_>,
    start: impl FnOnce(Call) -> ExitCode,
) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return parsed_otherwise(&error, caller, streams),
    };
    set_time_scale(cli.output.time_scale);
    match cli.command {
        Command::Completions { shell } => streams.print(&documents::completions(shell)),
        Command::Man { command } => match documents::manual(command.as_deref()) {
            Ok(Some(page)) => streams.print(&page),
            Ok(None) => {
                let known = documents::commands().join(", ");
                let unknown = NoManual { command: command.unwrap_or_default(), known };
                streams.complain(&streams.plain().error_lines(&unknown, None))
            }
            Err(error) => streams.complain(&streams.plain().error_lines(&error, None)),
        },
        Command::Doctor(typed) => match doctor::asked(typed, &cli.output, caller) {
            Ok(asked) => start(Call::Doctor(asked)),
            Err(problems) => streams.complain(&streams.plain().problem_lines(&problems)),
        },
        Command::Serve(typed) => {
            let (asked, purpose) = serve::asked(*typed, &cli.output);
            let color = config::color_of_problems(&asked.settings, caller);
            let verbosity = asked.verbosity;
            let resolved = match config::resolve_serve(asked, caller) {
                Ok(resolved) => resolved,
                Err(problems) => return streams.refuse(color, verbosity, &problems),
            };
            let say = Say::on(streams.stderr_device, resolved.serve.color, verbosity);
            streams.tell(&say.notice_lines(&resolved.notices));
            match purpose {
                Purpose::PrintConfig => streams.print(resolved.print_config().as_bytes()),
                Purpose::Run => start(Call::Serve(Box::new(resolved.serve))),
            }
        }
        Command::Runtimes { json } => {
            let form = if json { app::Form::Json } else { app::Form::Text };
            start(Call::Runtimes(app::Runtimes { form }))
        }
        Command::Init { template, directory, .. } => start(Call::Init(match template {
            None => app::Init::List,
            Some(template) => {
                let directory = directory.unwrap_or_else(|| template.clone().into());
                app::Init::Write {
                    template,
                    directory: caller.cwd.join(directory),
                    verbosity: verbosity(&cli.output),
                }
            }
        })),
        Command::Build(typed) => {
            // Notices are about what the function gets when it runs.
            match resolved(build::asked(*typed, &cli.output), caller, streams) {
                Ok(resolved) => start(Call::Build(Box::new(resolved.invoke))),
                Err(refused) => refused,
            }
        }
        Command::Deploy(typed) => {
            let asked = typed.asked(&cli.output);
            let color = config::color_of_problems(&asked.settings, caller);
            let verbosity = asked.verbosity;
            match config::resolve_deploy(asked, caller) {
                Ok(resolved) => {
                    let say = Say::on(streams.stderr_device, resolved.deploy.color, verbosity);
                    streams.tell(&say.notice_lines(&resolved.notices));
                    start(Call::Client(Box::new(app::ClientCall::Deploy(resolved.deploy))))
                }
                Err(problems) => streams.refuse(color, verbosity, &problems),
            }
        }
        Command::List(typed) => {
            let form = if typed.json { app::Form::Json } else { app::Form::Text };
            on_host(typed.host.asked(&cli.output), caller, streams, |host| {
                start(Call::Client(Box::new(app::ClientCall::List { host, form })))
            })
        }
        Command::Logs(mut typed) => {
            let asked = std::mem::take(&mut typed.host).asked(&cli.output);
            on_host(asked, caller, streams, |host| start(Call::Client(Box::new(typed.call(host)))))
        }
        Command::Top(mut typed) => {
            let asked = typed.asked(&cli.output);
            on_operator(asked, caller, streams, |host| {
                start(Call::Client(Box::new(typed.call(host))))
            })
        }
        Command::Usage(mut typed) => {
            let asked = typed.asked(&cli.output);
            on_operator(asked, caller, streams, |host| {
                start(Call::Client(Box::new(typed.call(host))))
            })
        }
        Command::Remove(typed) => {
            let names = typed.names;
            on_host(typed.host.asked(&cli.output), caller, streams, |host| {
                start(Call::Client(Box::new(app::ClientCall::Remove { host, names })))
            })
        }
        Command::Invoke(typed)
            if typed.later || config::could_be_deployed(typed.path.as_deref(), caller) =>
        {
            let when = if typed.later { config::When::Later } else { config::When::Now };
            let (asked, purpose) = invoke::asked(*typed, &cli.output);
            let color = config::color_of_problems(&asked.settings, caller);
            let verbosity = asked.verbosity;
            let instead = match purpose {
                Purpose::Run => None,
                Purpose::PrintConfig => Some("--print-config"),
            };
            let asked = config::AskedDeployed { asked, when, instead };
            match config::resolve_deployed(asked, caller, streams.stdin) {
                Ok(resolved) => {
                    let say = Say::on(streams.stderr_device, resolved.invoke.color, verbosity);
                    streams.tell(&say.notice_lines(&resolved.notices));
                    start(Call::Client(Box::new(app::ClientCall::Invoke(resolved.invoke))))
                }
                Err(problems) => streams.refuse(color, verbosity, &problems),
            }
        }
        Command::Invoke(typed) => {
            let (asked, purpose) = invoke::asked(*typed, &cli.output);
            let verbosity = asked.verbosity;
            let resolved = match resolved(asked, caller, streams) {
                Ok(resolved) => resolved,
                Err(refused) => return refused,
            };
            let say = Say::on(streams.stderr_device, resolved.invoke.color, verbosity);
            streams.tell(&say.notice_lines(&resolved.notices));
            match purpose {
                Purpose::PrintConfig => streams.print(resolved.print_config().as_bytes()),
                Purpose::Run => start(Call::Invoke(Box::new(resolved.invoke))),
            }
        }
    }
}

/// Checks what was asked; what is wrong with it is told, and the status says so.
fn resolved(
    asked: config::Asked,
    caller: &Caller,
    streams: &mut Streams<'_>,
) -> Result<config::Resolved, ExitCode> {
    let color = config::color_of_problems(&asked.settings, caller);
    let verbosity = asked.verbosity;
    config::resolve(asked, caller, streams.stdin)
        .map_err(|problems| streams.refuse(color, verbosity, &problems))
}

/// Goes on with whom to call, and how to speak.
fn on_host(
    asked: config::AskedHost,
    caller: &Caller,
    streams: &mut Streams<'_>,
    go_on: impl FnOnce(config::HostCall) -> ExitCode,
) -> ExitCode {
    on(config::resolve_host, asked, caller, streams, go_on)
}

/// The same for what a host's operator asks.
fn on_operator(
    asked: config::AskedHost,
    caller: &Caller,
    streams: &mut Streams<'_>,
    go_on: impl FnOnce(config::HostCall) -> ExitCode,
) -> ExitCode {
    on(config::resolve_operator, asked, caller, streams, go_on)
}

fn on(
    resolve: impl FnOnce(config::AskedHost, &Caller) -> Result<config::HostCall, config::Problems>,
    asked: config::AskedHost,
    caller: &Caller,
    streams: &mut Streams<'_>,
    go_on: impl FnOnce(config::HostCall) -> ExitCode,
) -> ExitCode {
    let color = config::color_of_problems(&asked.settings, caller);
    let verbosity = asked.verbosity;
    match resolve(asked, caller) {
        Ok(host) => go_on(host),
        Err(problems) => streams.refuse(color, verbosity, &problems),
    }
}

/// There is no such page.
#[derive(Debug, thiserror::Error)]
#[error("there is no command `{command}`; there is {known}")]
struct NoManual {
    command: String,
    known: String,
}

/// Help and version were asked for, or the parser did not understand.
fn parsed_otherwise(error: &clap::Error, caller: &Caller, streams: &mut Streams<'_>) -> ExitCode {
    let color = config::color_of_problems(&config::Raw::default(), caller);
    let device = if error.use_stderr() { streams.stderr_device } else { streams.stdout_device };
    let text = error.render();
    let text = if device.is_colored(color) { text.ansi().to_string() } else { text.to_string() };
    match error.use_stderr() {
        true => streams.complain(&text),
        false => streams.print(text.as_bytes()),
    }
}

impl Streams<'_> {
    fn plain(&self) -> Say {
        Say::on(self.stderr_device, Color::Never, Verbosity::Normal)
    }

    /// What was asked to be printed. A reader that has seen enough is no failure.
    fn print(&mut self, text: &[u8]) -> ExitCode {
        match self.stdout.write_all(text).and_then(|()| self.stdout.flush()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(source) => {
                let lines = self.plain().error_lines(&Unprinted { source }, None);
                self.complain(&lines)
            }
        }
    }

    fn tell(&mut self, lines: &str) {
        // Nobody is left to tell if standard error is closed.
        let _unheard = self.stderr.write_all(lines.as_bytes());
    }

    fn refuse(
        &mut self,
        color: Color,
        verbosity: Verbosity,
        problems: &config::Problems,
    ) -> ExitCode {
        let say = Say::on(self.stderr_device, color, verbosity);
        self.complain(&say.problem_lines(problems))
    }

    fn complain(&mut self, lines: &str) -> ExitCode {
        self.tell(lines);
        ExitCode::from(EXIT_USAGE)
    }
}

/// Standard output took nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct Unprinted {
    source: io::Error,
}
