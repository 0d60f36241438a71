//! From a blueprint to processes that run, and their end.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use tokio::sync::mpsc;

use super::Environment;
use crate::model::{Event, Network};
use crate::pool::blueprint::{Blueprint, Extensions};
use crate::pool::running::Running;
use crate::pool::start::{Opened, Processes, connect, open, processes};
use crate::runtime_api::{
    Extending, OutputCollector, Peer, RuntimeApi, ServedCredentials, Signal, SocketAsk,
};
use crate::sandbox::{
    Begun, Connection, Forwarding, Namespaces, Process, Relay, Sandbox, SandboxError, Workshop,
    forward, relay,
};

/// Signals of the Runtime API are few: one conversation at a time.
const SIGNALS_WAITING: usize = 16;
/// Besides, for each slot: its `next` and its answer; and its place for being gone is kept.
const SIGNALS_OF_A_SLOT: usize = 3;
/// Sinks of telemetry that wait for a socket; there are ten extensions at most.
const SOCKETS_WANTED: usize = 10;

/// Processes that run, and what the host has to do with them.
struct Launched {
    sandbox: Sandbox,
    /// Starts when all external extensions have registered.
    runtime: Option<Process>,
    outputs: Vec<OutputCollector>,
    ends: Ends,
}

/// What of the host's is to be served to the processes.
struct Ends {
    /// The Runtime API's first, then forwarded ports, then X-Ray's if that is taken.
    listeners: Vec<TcpListener>,
    credentials: Option<ServedCredentials>,
    /// Present where there is a network to lay.
    namespaces: Option<Namespaces>,
    connection: Option<Connection>,
}

/// What serves them. Dropping it stops that.
struct Served {
    api: RuntimeApi,
    socket_asks: Option<mpsc::Receiver<SocketAsk>>,
    forwards: Vec<Forwarding>,
    xray: Option<Relay>,
    connection: Option<Connection>,
}

impl Environment {
    pub(super) async fn start(&mut self) -> Result<(), SandboxError> {
        let blueprint = &self.blueprint;
        let slots = blueprint.function.max_concurrency.unwrap_or(0) as usize;
        let (signals, receiver) = mpsc::channel(SIGNALS_WAITING + SIGNALS_OF_A_SLOT * slots);
        let Launched { sandbox, runtime, outputs, ends } =
            launch(blueprint, &self.workshop, self.starts).await?;
        let served = match serve(blueprint, ends, signals, self.starts).await {
            Ok(served) => served,
            Err(error) => {
                self.end_sandbox(sandbox).await?;
                return Err(error);
            }
        };
        let Served { api, socket_asks, forwards, xray, connection } = served;
        self.running = Some(Running {
            sandbox,
            api,
            signals: receiver,
            outputs,
            extensions: blueprint.extensions.external().to_vec(),
            runtime,
            _forwards: forwards,
            _xray: xray,
            _connection: connection,
            is_frozen: false,
            socket_asks,
            sockets_wanted: VecDeque::new(),
        });
        if let Some((event, at)) = self.before_start.take() {
            self.running.iter().for_each(|running| running.api.tell(&event, at));
        }
        self.starts += 1;
        Ok(())
    }

    pub(super) async fn kill(&mut self) -> Result<(), SandboxError> {
        self.sample();
        let Some(running) = self.running.take() else { return Ok(()) };
        let Running { sandbox, api, mut outputs, .. } = running;
        // The processes first: a runtime that sees its API go would log that.
        let ended = self.end_sandbox(sandbox).await;
        drop(api);
        // Nobody holds the other ends any more: what is in the pipes is all there will be.
        for output in &mut outputs {
            let last = output.drain().await;
            last.into_iter().chain(output.flush()).for_each(|line| self.note(Event::Log(line)));
        }
        ended
    }

    /// Ends every process; one that lives on is remembered for as long as the environment.
    async fn end_sandbox(&mut self, sandbox: Sandbox) -> Result<(), SandboxError> {
        let ended = sandbox.end().await;
        self.has_survivors |= ended.is_err();
        ended
    }
}

/// Makes the sandbox and starts its first processes. One that fails has ended when this returns.
async fn launch(
    blueprint: &Blueprint,
    workshop: &Workshop,
    starts: u32,
) -> Result<Launched, SandboxError> {
    let memory_mb = blueprint.function.memory_mb;
    let begun = workshop.begin(&blueprint.lease, &blueprint.shell, memory_mb).await?;
    (blueprint.lap)("born");
    let (opened, processes) = match prepare(blueprint, workshop, &begun, starts).await {
        Ok(prepared) => prepared,
        Err(error) => return Err(begun.abandon(error).await),
    };
    let Opened { trees, steps, own_listener, namespaces, connection } = opened;
    let Processes { first, runtime, outputs, credentials } = processes;
    let (sandbox, listeners) = begun.launch(trees, steps, first).await?;
    (blueprint.lap)("launched");
    let listeners = own_listener.into_iter().chain(listeners).collect();
    let ends = Ends { listeners, credentials, namespaces, connection };
    Ok(Launched { sandbox, runtime, outputs, ends })
}

/// Opens everything of the host that goes inside.
async fn prepare(
    blueprint: &Blueprint,
    workshop: &Workshop,
    begun: &Begun,
    starts: u32,
) -> Result<(Opened, Processes), SandboxError> {
    let opened = open(blueprint, workshop, begun, starts).await?;
    (blueprint.lap)("opened");
    let address = match &opened.own_listener {
        Some(listener) => listener.local_addr().map_err(SandboxError::Pipes)?.to_string(),
        None => "127.0.0.1:9001".to_owned(),
    };
    let processes = processes(blueprint, &address).map_err(SandboxError::Pipes)?;
    Ok((opened, processes))
}

/// Lays the network, if that was left for now, and serves everything.
async fn serve(
    blueprint: &Blueprint,
    ends: Ends,
    signals: mpsc::Sender<Signal>,
    starts: u32,
) -> Result<Served, SandboxError> {
    let Ends { listeners, credentials, namespaces, mut connection } = ends;
    if let (Some(namespaces), None) = (&namespaces, &connection) {
        connection = connect(blueprint, namespaces, starts).await?;
    }
    (blueprint.lap)("network");
    let mut listeners = listeners.into_iter();
    let api_listener = listeners.next().ok_or(SandboxError::InitEnded)?;
    let peer = match blueprint.shell.network {
        Network::Host => Peer::Uid { uid: blueprint.id.uid() },
        Network::None | Network::Nat => Peer::Any,
    };
    let (asks, asked) = mpsc::channel(SOCKETS_WANTED);
    let (sockets, socket_asks) = match blueprint.shell.network {
        Network::Host => (None, None),
        Network::None | Network::Nat => (Some(asks), Some(asked)),
    };
    let extending = match &blueprint.extensions {
        Extensions::Enabled { external } => Extending::Enabled { external, sockets },
        Extensions::Disabled => Extending::Disabled,
    };
    let api =
        RuntimeApi::serve(api_listener, peer, &blueprint.function, extending, credentials, signals)
            .map_err(|error| SandboxError::Init(io::Error::other(error)))?;
    let forwards = (blueprint.forwards_to.iter().zip(&mut listeners))
        .map(|(&port, listener)| forward(listener, port, blueprint.notices.clone()))
        .collect::<Result<_, _>>()
        .map_err(SandboxError::Pipes)?;
    // The last of them, if there is one.
    let xray = listeners.next().zip(blueprint.xray_daemon).map(|(socket, daemon)| {
        relay(OwnedFd::from(socket).into(), daemon).map_err(SandboxError::Pipes)
    });
    Ok(Served { api, socket_asks, forwards, xray: xray.transpose()?, connection })
}
