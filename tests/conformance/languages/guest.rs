//! A language with a client, and what the machine must bring to run it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::words::{Words, folder};
use crate::harness::{
    Built, Client, Invoke, dotnet_fixture, dotnet_tree, e2e_cache, go_fixture, has_jdk,
    interpreter, java_fixture, lambdabox, node_tree, official_java_client, official_node_client,
    rust_fixture, stretched, vendored,
};

/// So that nothing is cut off, and the longest there is.
const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_SECS: u64 = 900;

/// One line of the list: a row of the matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guest {
    language: &'static str,
    runtime: &'static str,
    client: Client,
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = match self.client {
            Client::Managed => "ours",
            Client::Official => "official",
        };
        // A program of its own has no runtime to be called by.
        let name = if self.is_native() { self.language } else { self.runtime };
        write!(f, "{name} {client}")
    }
}

/// A guest that can run here.
pub(super) struct Host {
    /// What the language calls things.
    pub(super) words: Words,
    guest: Guest,
    layers: Vec<OsString>,
    /// Directories before `PATH`.
    path: Vec<OsString>,
    /// Function and layer of a language that is compiled.
    built: Option<Built>,
}

impl Guest {
    /// Our own loop. `runtime` is what `--runtime` is given.
    pub(super) const fn managed(language: &'static str, runtime: &'static str) -> Self {
        Self { language, runtime, client: Client::Managed }
    }

    /// AWS's client, unmodified.
    pub(super) const fn official(language: &'static str, runtime: &'static str) -> Self {
        Self { language, runtime, client: Client::Official }
    }

    /// AWS's library in a program: the package is a `bootstrap` and nothing else.
    pub(super) const fn native(language: &'static str) -> Self {
        Self::official(language, "provided.al2023")
    }

    fn is_native(self) -> bool {
        self.runtime.starts_with("provided")
    }

    /// What it needs, brought here.
    ///
    /// # Errors
    /// Why it cannot run on this machine.
    pub(super) fn host(self) -> Result<Host, String> {
        let (mut layers, mut path) = (Vec::new(), Vec::new());
        if self.language == "nodejs" {
            path.extend(node_tree(self.runtime)?.map(OsString::from));
        }
        let mut built = None;
        match self.language {
            "python" if !has_python(self.runtime) => {
                return Err(format!("no {} on this machine", self.runtime));
            }
            "ruby" if std::process::Command::new("ruby").arg("-v").output().is_err() => {
                return Err("no Ruby on this machine".to_owned());
            }
            "java" if !has_jdk(self.runtime.trim_start_matches("java")) => {
                return Err(format!("no JDK for {} on this machine", self.runtime));
            }
            "dotnet" => {
                let tree = dotnet_tree(self.runtime)?;
                let fixture = dotnet_fixture(&source_of(self.language), &tree)?;
                // Its package names the layer's, and does not start without it.
                layers.push(fixture.layer.clone());
                path.push(tree.into_os_string());
                built = Some(fixture);
            }
            "go" => built = Some(go_fixture(&source_of(self.language))?),
            "rust" => built = Some(rust_fixture()?),
            "java" => built = Some(java_fixture(&source_of(self.language))?),
            _ => {}
        }
        if self.client == Client::Official && !self.is_native() {
            layers.push(match self.language {
                "python" => vendored("awslambdaric-layer", "python", &["awslambdaric==4.2.2"])?,
                "nodejs" => official_node_client(self.runtime)?,
                "java" => official_java_client()?,
                other => return Err(format!("no official client of {other} can be had here")),
            });
        }
        let layers = layers.into_iter().map(OsString::from).collect();
        Ok(Host { words: Words::of(self.language), guest: self, layers, path, built })
    }
}

impl Host {
    /// `lambdabox invoke` of a handler of the module `functions`.
    pub(super) fn invoke(&self, function: &str) -> Invoke {
        self.invoke_in("functions", function)
    }

    /// `lambdabox invoke` of a handler of another module.
    pub(super) fn invoke_in(&self, module: &str, function: &str) -> Invoke {
        let handler = &self.words.handler;
        self.invoke_text(&handler.replace("{module}", module).replace("{function}", function))
    }

    /// `lambdabox invoke` of a handler as written.
    pub(super) fn invoke_text(&self, handler: &str) -> Invoke {
        let client = match self.guest.client {
            Client::Managed => "managed",
            Client::Official => "official",
        };
        let mut path = self.path.clone();
        path.extend(std::env::var_os("PATH"));
        let layers = self.layers.iter().flat_map(|l| [OsString::from("--layer"), l.clone()]);
        let run = lambdabox([OsString::from("invoke"), self.task().into()])
            .args(["--handler", handler, "--runtime", self.guest.runtime])
            .args(layers)
            // By variable, so that a case may say otherwise.
            .env("LAMBDABOX_TIMEOUT", stretched(TIMEOUT).as_secs().min(LONGEST_SECS).to_string())
            .env("LAMBDABOX_MEMORY_SIZE", "256")
            .env("PATH", path.join(std::ffi::OsStr::new(":")));
        if self.guest.is_native() {
            return run;
        }
        let run = run.args(["--runtime-client", client]);
        match self.guest.language {
            // Its loop is compiled once per data directory, which takes longer than most cases.
            "java" => run.data(&e2e_cache().join("java-data")),
            "dotnet" => run.data(&e2e_cache().join("dotnet-data")),
            _ => run,
        }
    }

    fn task(&self) -> PathBuf {
        let built = self.built.as_ref().map(|built| built.task.clone());
        built.unwrap_or_else(|| source_of(self.guest.language).join("task"))
    }

    /// The layer of the fixtures.
    pub(super) fn layer(&self) -> OsString {
        let built = self.built.as_ref().map(|built| built.layer.clone());
        built.unwrap_or_else(|| source_of(self.guest.language).join("layer")).into()
    }

    /// Whether AWS's client runs the function.
    pub(super) fn is_official(&self) -> bool {
        self.guest.client == Client::Official
    }

    /// What `--runtime` was given.
    pub(super) fn runtime(&self) -> &str {
        self.guest.runtime
    }
}

/// Whether this machine has it; the bare `python` is there for every test.
fn has_python(runtime: &str) -> bool {
    let minor = runtime.strip_prefix("python3.").map(str::parse);
    minor.is_none_or(|minor| minor.is_ok_and(|minor| interpreter(minor).is_some()))
}

/// The fixtures of a language.
fn source_of(language: &str) -> PathBuf {
    std::fs::canonicalize(folder(language)).expect("every language has its folder")
}
