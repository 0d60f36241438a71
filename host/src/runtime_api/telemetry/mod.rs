//! The Telemetry API and the older Logs API: what happens, told to extensions while it happens.
//!
//! | file | what |
//! |---|---|
//! | `subscription` | a subscription's body, checked: pure |
//! | `event` | events as JSON, per schema: pure |
//! | `queue` | what waits for one subscriber, bounded: pure |
//! | `gate` | whether the environment runs |
//! | `hub` | who gets what; what was before they came |
//! | `deliver` | one subscriber's task: batches to its sink |
//! | `sockets` | ways into the environment's own network |
//! | `call` | the endpoints |
//!
//! # Invariants
//! - Nothing here makes an environment run or keeps one running: sinks are written to while the gate
//!   is open, and what comes later waits for the next time.
//! - Whoever pushes an event never waits. A sink that does not read costs a bounded amount of memory,
//!   and is told how much it missed.
//!
//! # Sources
//! `reference/runtime-api.md` section 3.

mod call;
mod deliver;
mod event;
mod gate;
mod hub;
mod queue;
mod sockets;
pub(crate) mod subscription;

pub(crate) use call::{Api, subscribe};
pub use event::{Described, platform_record};
pub(crate) use gate::Phase;
pub(crate) use hub::Hub;
pub(crate) use sockets::{SocketAsk, Sockets};
