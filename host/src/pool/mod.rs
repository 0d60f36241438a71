//! Which execution environment serves an invocation, and how one lives.
//!
//! | file | what |
//! |---|---|
//! | `handle` | [`Pool`]: what others call |
//! | `schedule` | who runs where: pure, for all functions of the host |
//! | `driver` | the one task that owns the schedule |
//! | `worker`, `sharing` | one task for each environment, which runs one invocation after another or many at once |
//! | `home` | what the pool asks of an environment and of whoever makes one |
//! | `life` | how one environment lives: pure |
//! | `environment`, `start`, `running` | performs that with a sandbox |
//!
//! # Not here
//! Which version a name means, retries, queues that survive a restart (`invoke`).

mod blueprint;
mod driver;
mod environment;
mod handle;
mod home;
mod life;
mod running;
mod schedule;
mod settings;
mod sharing;
mod signals;
mod snapshot;
mod start;
mod tail;
#[cfg(test)]
mod tests;
mod variables;
mod worker;

pub use blueprint::CpuShare;
pub(crate) use blueprint::{Blueprint, Extensions, Kept, NetworkLaid, Tmp};
pub(crate) use environment::{Environment, Log};
pub(crate) use handle::Pool;
#[cfg(test)]
pub(crate) use home::Home;
pub(crate) use home::{Journal, Provider, Sink};
pub(crate) use life::{INIT_LIMIT, INIT_LIMIT_OF_MANY, RESTORE_LIMIT};
pub use settings::{Freeze, Settings};
pub use snapshot::{Count, FunctionCount, Snapshot};
