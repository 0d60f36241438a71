//! What one start of an environment takes from the host: trees, `/tmp`, a wire, pipes.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;

use super::blueprint::{Blueprint, NetworkLaid, Tmp};
use super::running::{RUNTIME, key_of};
use super::variables::{Platform, extension_variables, variables};
use crate::model::{Initialization, Network};
use crate::runtime_api::{OutputCollector, OutputError, ServedCredentials};
use crate::sandbox::{
    Begun, Connection, Identity, Namespaces, OpenTrees, Output, Process, Program, SandboxError,
    Step, TmpImage, TmpPlan, Workshop, XRAY_PORT, launch_steps,
};

/// Number of the framed log descriptor inside.
const LOG_DESCRIPTOR: u32 = 3;
/// Where external extensions lie inside.
pub(super) const EXTENSIONS_DIRECTORY: &str = "/opt/extensions";
/// Where they start; AWS does not say, and this is where the runtime does.
const TASK_ROOT: &str = "/var/task";

/// Everything of the host that one start needs.
pub(super) struct Opened {
    pub(super) trees: OpenTrees,
    pub(super) steps: Vec<Step>,
    /// In the host's own network, a listener of ours.
    pub(super) own_listener: Option<TcpListener>,
    /// Present where there is a network to lay.
    pub(super) namespaces: Option<Namespaces>,
    pub(super) connection: Option<Connection>,
}

pub(super) async fn open(
    blueprint: &Blueprint,
    workshop: &Workshop,
    begun: &Begun,
    starts: u32,
) -> Result<Opened, SandboxError> {
    let namespaces = match &blueprint.nat {
        Some(_) => Some(begun.namespaces().map_err(SandboxError::Init)?),
        None => None,
    };
    let (spawner, id) = (&workshop.spawner, blueprint.id);
    let mut trees = OpenTrees::open(spawner, &blueprint.trees, &blueprint.links, id).await?;
    let tmp = match &blueprint.tmp {
        Tmp::Image(image) => {
            let image = image.get().await?;
            TmpPlan::Device {
                index: trees.add(image.descriptor().map_err(SandboxError::Pipes)?),
                shows: image.device().to_owned(),
                options: TmpImage::MOUNT_OPTIONS.to_owned(),
            }
        }
        Tmp::Memory if blueprint.keeps_tmp() => {
            let bytes = blueprint.tmp_bytes();
            let tree = spawner.open_tmp(blueprint.number, bytes).await?;
            TmpPlan::Kept { index: trees.add(tree), bytes }
        }
        Tmp::Memory => TmpPlan::Memory { bytes: blueprint.tmp_bytes() },
    };
    let steps = launch_steps(std::mem::take(&mut trees.steps), tmp, &blueprint.confinement());
    let own_listener = match blueprint.shell.network {
        Network::Host => {
            Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(SandboxError::Pipes)?)
        }
        Network::None | Network::Nat => None,
    };
    let connection = match (&namespaces, blueprint.network_laid) {
        (Some(namespaces), NetworkLaid::BeforeStart) => {
            connect(blueprint, namespaces, starts).await?
        }
        _ => None,
    };
    Ok(Opened { trees, steps, own_listener, namespaces, connection })
}

/// Lays the environment's wire, if it is to have one.
pub(super) async fn connect(
    blueprint: &Blueprint,
    namespaces: &Namespaces,
    starts: u32,
) -> Result<Option<Connection>, SandboxError> {
    let Some(nat) = &blueprint.nat else { return Ok(None) };
    let nat = nat.get().await?;
    if starts > 0 {
        nat.disconnect(blueprint.number).await?;
    }
    Ok(Some(nat.connect(blueprint.number, namespaces).await?))
}

/// The pipe of an external extension's output, as [`pipes`].
pub(super) fn extension_pipe(blueprint: &Blueprint) -> io::Result<(Output, OutputCollector)> {
    let (reader, raw) = pipe(blueprint)?;
    let collected = OutputCollector::of_extension(reader);
    let collected = collected.map_err(|error: OutputError| io::Error::other(error))?;
    Ok((Output { raw, frames: None }, collected))
}

/// The pipes of the runtime's output; the write ends belong to the environment's id, or opening
/// `/dev/stderr` inside would be refused.
pub(super) fn pipes(blueprint: &Blueprint) -> io::Result<(Output, OutputCollector)> {
    let (raw_reader, raw) = pipe(blueprint)?;
    let (frames_reader, frames) = match blueprint.frames {
        true => pipe(blueprint).map(|(reader, writer)| (Some(reader), Some(writer)))?,
        false => (None, None),
    };
    let collected = OutputCollector::new(raw_reader, frames_reader);
    let collected = collected.map_err(|error: OutputError| io::Error::other(error))?;
    Ok((Output { raw, frames }, collected))
}

fn pipe(blueprint: &Blueprint) -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    if let Identity::Own { id } = blueprint.id {
        nix::unistd::fchown(&writer, Some(id.into()), Some(id.into()))?;
    }
    Ok((reader.into(), writer.into()))
}

/// The first processes, what collects the output of all, and the runtime's if it is not among the first.
pub(super) struct Processes {
    pub(super) first: Vec<Process>,
    pub(super) runtime: Option<Process>,
    pub(super) outputs: Vec<OutputCollector>,
    /// Keys that are asked for, where no variables have them.
    pub(super) credentials: Option<ServedCredentials>,
}

/// Everything that is to be executed: external extensions first, and the runtime when they have
/// registered.
pub(super) fn processes(blueprint: &Blueprint, runtime_api: &str) -> io::Result<Processes> {
    let served = (blueprint.function.initialization == Initialization::SnapStart)
        .then(|| ServedCredentials::of(&blueprint.credentials));
    let ways = served.as_ref().map(|served| served.variables(runtime_api));
    let platform = Platform {
        runtime_api,
        log_stream: &blueprint.log_stream,
        credentials: ways.as_ref().unwrap_or(&blueprint.credentials),
        runtime: &blueprint.runtime_variables,
        // In a network of its own the daemon is on loopback, as forwarded ports are.
        xray: blueprint.xray_daemon.map(|daemon| match blueprint.shell.network {
            Network::Host => daemon,
            Network::None | Network::Nat => (Ipv4Addr::LOCALHOST, XRAY_PORT).into(),
        }),
        log_descriptor: blueprint.frames.then_some(LOG_DESCRIPTOR),
    };
    let (output, collected) = pipes(blueprint)?;
    let env = variables(&blueprint.function, &platform);
    let program = Program { env, ..blueprint.program.clone() };
    let runtime = Process { key: RUNTIME, program, output };
    let mut outputs = vec![collected];
    let external = blueprint.extensions.external();
    if external.is_empty() {
        return Ok(Processes { first: vec![runtime], runtime: None, outputs, credentials: served });
    }
    let env = extension_variables(&blueprint.function, &platform);
    let mut first = Vec::with_capacity(external.len());
    for (index, name) in external.iter().enumerate() {
        let (output, collected) = extension_pipe(blueprint)?;
        outputs.push(collected);
        let path = Path::new(EXTENSIONS_DIRECTORY).join(name);
        let argv = vec![path.display().to_string()];
        let program = Program { path, argv, env: env.clone(), cwd: TASK_ROOT.into() };
        first.push(Process { key: key_of(index), program, output });
    }
    Ok(Processes { first, runtime: Some(runtime), outputs, credentials: served })
}

/// The kernel's words for an error, without Rust's number behind it.
pub(super) fn error_name(errno: i32) -> String {
    let text = nix::errno::Errno::from_raw(errno).desc();
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |c| c.to_lowercase().chain(characters).collect())
}
