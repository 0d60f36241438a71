//! From a blueprint to processes that run, and their end.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use tokio::sync::mpsc;

use super::Environment;
use crate::model::{Event, Network};
use crate::pool::blueprint::Extensions;
use crate::pool::running::Running;
use crate::pool::start::{Opened, Processes, connect, open, processes};
use crate::runtime_api::{Extending, Peer, RuntimeApi};
use crate::sandbox::{SandboxError, forward, relay};

/// Signals of the Runtime API are few: one conversation at a time.
const SIGNALS_WAITING: usize = 16;
/// Besides, for each slot: its `next` and its answer; and its place for being gone is kept.
const SIGNALS_OF_A_SLOT: usize = 3;
/// Sinks of telemetry that wait for a socket; there are ten extensions at most.
const SOCKETS_WANTED: usize = 10;

impl Environment {
    pub(super) async fn start(&mut self) -> Result<(), SandboxError> {
        let blueprint = &self.blueprint;
        let memory_mb = blueprint.function.memory_mb;
        let begun = self.workshop.begin(&blueprint.lease, &blueprint.shell, memory_mb).await?;
        (blueprint.lap)("born");
        let slots = blueprint.function.max_concurrency.unwrap_or(0) as usize;
        let (signals, receiver) = mpsc::channel(SIGNALS_WAITING + SIGNALS_OF_A_SLOT * slots);
        let opened = match open(blueprint, &self.workshop, &begun, self.starts).await {
            Ok(opened) => opened,
            Err(error) => return Err(begun.abandon(error).await),
        };
        (blueprint.lap)("opened");
        let Opened { trees, steps, own_listener, namespaces, mut connection } = opened;
        let address = match &own_listener {
            Some(listener) => listener.local_addr().map_err(SandboxError::Pipes)?.to_string(),
            None => "127.0.0.1:9001".to_owned(),
        };
        let Processes { first, runtime, outputs, credentials } =
            processes(blueprint, &address).map_err(SandboxError::Pipes)?;
        let (sandbox, listeners) = begun.launch(trees, steps, first).await?;
        (blueprint.lap)("launched");
        if let (Some(namespaces), None) = (&namespaces, &connection) {
            match connect(blueprint, namespaces, self.starts).await {
                Ok(laid) => connection = laid,
                Err(error) => {
                    sandbox.end().await?;
                    return Err(error);
                }
            }
        }
        (blueprint.lap)("network");
        let mut listeners = own_listener.into_iter().chain(listeners);
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
        let api = RuntimeApi::serve(
            api_listener,
            peer,
            &blueprint.function,
            extending,
            credentials,
            signals,
        )
        .map_err(|error| SandboxError::Init(io::Error::other(error)))?;
        let forwards = (blueprint.forwards_to.iter().zip(&mut listeners))
            .map(|(&port, listener)| forward(listener, port, blueprint.notices.clone()))
            .collect::<Result<_, _>>()
            .map_err(SandboxError::Pipes)?;
        // The last of them, if there is one.
        let xray = listeners.next().zip(blueprint.xray_daemon).map(|(socket, daemon)| {
            relay(OwnedFd::from(socket).into(), daemon).map_err(SandboxError::Pipes)
        });
        let xray = xray.transpose()?;
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
        sandbox.end().await?;
        drop(api);
        // Nobody holds the other ends any more: what is in the pipes is all there will be.
        for output in &mut outputs {
            let last = output.drain().await;
            last.into_iter().chain(output.flush()).for_each(|line| self.note(Event::Log(line)));
        }
        Ok(())
    }
}
