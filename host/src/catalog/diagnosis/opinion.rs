//! What is suspected, and what is said of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use lambdabox_runtimes::discover::Interpreter;
use lambdabox_runtimes::{HandlerForm, Language};

use super::classes;
use super::program::{self, Fault};
use crate::catalog::{Layers, Package};

/// What would have begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspect {
    /// The package's own program, or a layer's.
    Bootstrap {
        /// Where it is on the host.
        file: PathBuf,
        /// Where it is inside.
        inside: PathBuf,
    },
    /// An interpreter of this machine, with the language loop.
    Interpreter {
        /// Where it is on the host.
        file: PathBuf,
    },
    /// A script that starts the runtime, by its path inside.
    Wrapper {
        /// As `AWS_LAMBDA_EXEC_WRAPPER` has it.
        inside: String,
    },
    /// An interpreter, and a class that it looks for.
    Java {
        /// Where `java` is on the host.
        file: PathBuf,
        /// The handler as it was given.
        handler: String,
    },
}

/// When it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before it had asked for an event.
    Init,
    /// While it had one.
    Invocation,
}

impl Suspect {
    /// A custom runtime's program, by its path inside.
    pub fn of_bootstrap(inside: &str, package: &Package, layers: &Layers) -> Self {
        let inside = PathBuf::from(inside);
        let file = program::on_host(&inside, &package.root, layers.root.as_deref());
        Self::Bootstrap { file, inside }
    }

    /// A managed runtime's interpreter.
    pub fn of_interpreter(found: &Interpreter, language: &Language, handler: &str) -> Self {
        let file = found.executable.clone();
        match language.handler_form {
            HandlerForm::Class => Self::Java { file, handler: handler.to_owned() },
            HandlerForm::LastDot | HandlerForm::FirstDot | HandlerForm::Assembly => {
                Self::Interpreter { file }
            }
        }
    }
}

/// Looks for the cause of a failed start; once, as starts are tried again.
#[derive(Debug)]
pub struct Diagnosis {
    suspect: Suspect,
    /// The package on the host.
    task: PathBuf,
    /// What messages call it.
    called: PathBuf,
    /// The merged layers on the host.
    layers: Option<PathBuf>,
    is_made: AtomicBool,
}

impl Diagnosis {
    /// Nothing is looked at yet.
    pub fn new(suspect: Suspect, package: &Package, layers: &Layers) -> Self {
        Self {
            suspect,
            task: package.root.clone(),
            called: package.called.clone(),
            layers: layers.root.clone(),
            is_made: AtomicBool::new(false),
        }
    }

    /// Whether an error of this type may have such a cause, and nothing was said of it yet. What ends
    /// during an invocation did begin; only Java looks for its handler no earlier.
    pub fn is_wanted(&self, error_type: &str, moment: Moment) -> bool {
        let kinds: &[&str] = match moment {
            Moment::Init => &[EXITED, NO_ENTRY, NO_CLASS],
            Moment::Invocation => &[NO_CLASS],
        };
        kinds.contains(&error_type) && !self.is_made.load(Ordering::Relaxed)
    }

    /// What is wrong, as far as it can be told, after a failure of this type.
    pub fn make(&self, error_type: &str) -> Option<String> {
        if self.is_made.swap(true, Ordering::Relaxed) {
            return None;
        }
        match &self.suspect {
            Suspect::Bootstrap { file, inside } => self.of_bootstrap(file, inside, error_type),
            Suspect::Interpreter { file } => self.of_interpreter(file, error_type),
            Suspect::Wrapper { inside } => (error_type == EXITED).then(|| {
                format!(
                    "{inside} (AWS_LAMBDA_EXEC_WRAPPER), or what it started, ended before anything asked \
                     for an event; what it wrote is in the log. It is given the runtime's command line and \
                     ends with `exec \"$@\"`, or starts a program that takes events by itself"
                )
            }),
            Suspect::Java { handler, .. } if error_type == NO_CLASS => {
                // A layer may hold it, and then something else is wrong.
                let is_alone = self.layers.is_none();
                is_alone.then(|| classes::missing(&self.task, &self.called, handler)).flatten()
            }
            Suspect::Java { file, .. } => self.of_interpreter(file, error_type),
        }
    }

    fn of_bootstrap(&self, file: &Path, inside: &Path, error_type: &str) -> Option<String> {
        let name = inside.display();
        match program::fault(file, &self.task, self.layers.as_deref()) {
            Some(fault) => Some(format!("{name} {fault}")),
            None if error_type == EXITED => Some(format!(
                "{name} ended before it asked for an event. A custom runtime is a program that lives on: \
                 it takes events from http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next \
                 in a loop and posts each answer; `lambdabox init hello-shell` writes one"
            )),
            None => None,
        }
    }

    fn of_interpreter(&self, file: &Path, error_type: &str) -> Option<String> {
        let name = file.display();
        match program::fault(file, &self.task, self.layers.as_deref()) {
            Some(fault @ (Fault::Library { .. } | Fault::Glibc { .. } | Fault::Machine { .. })) => {
                Some(format!("the interpreter {name} {fault}"))
            }
            _ if error_type == EXITED => Some(format!(
                "{name} ended before it asked for an event: while it started, or while it loaded the \
                 function's module, which may have ended it. If `{name}` does not run by itself either, \
                 install it again or name another one with --runtime (`lambdabox runtimes` lists them)"
            )),
            _ => None,
        }
    }
}

/// AWS's name for a runtime that ended …
const EXITED: &str = "Runtime.ExitError";
/// … and for one that could not be started.
const NO_ENTRY: &str = "Runtime.InvalidEntrypoint";
/// What Java's loop, as AWS's, reports of a handler's class that is not there, among other things.
const NO_CLASS: &str = "Runtime.BadFunctionCode";
