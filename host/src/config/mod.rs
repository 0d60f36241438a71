//! What the user said, from every place it can be said, turned into checked values with units.
//!
//! Two steps, as written and then as used: [`Raw`] holds settings verbatim with the place each came
//! from; [`resolve()`] checks them against Lambda's limits and against the file system and returns
//! [`Invoke`]. Nothing here is global: environment, working directory, home and standard input come
//! in through [`Caller`] and a reader.
//!
//! # Invariants
//! - Flags win over `LAMBDABOX_*` variables, those over `lambdabox.toml`, that over the default.
//! - Every problem is found before any is reported, and each names its place, value and limit.
//! - Nothing of the caller's environment reaches the function unless a setting names it.
//!
//! # Not here
//! Parsing the command line (`cli`), opening the package or choosing a runtime (`catalog`).
//!
//! # Sources
//! AWS Lambda quotas; `reference/runtime-api.md` 0.3 and 6; `reference/lambda-service.md` 5.

mod aws_files;
mod caller;
mod check;
mod client_context;
mod code_path;
mod collector;
mod credentials;
mod dotenv;
mod endpoint;
mod environment;
mod event;
mod file;
mod forward;
mod logging;
mod notice;
mod object_store;
mod place;
mod print;
mod problem;
mod raw;
mod resolve;
mod resolve_deploy;
mod resolve_deployed;
mod resolve_serve;
mod resolved;
mod resolved_serve;
mod setting;
mod strangers;
#[cfg(test)]
mod tests;
mod variables;

pub use caller::Caller;
pub(crate) use code_path::name_of;
pub use collector::Collector;
pub use credentials::{Credentials, CredentialsOrigin};
pub use endpoint::{AskedHost, Endpoint, HostCall, resolve_host, resolve_operator};
pub use forward::Forward;
pub(crate) use forward::with_implied;
pub use notice::{Notice, NoticeLevel};
pub use object_store::ObjectStore;
pub use place::{Origin, Place};
pub use problem::{Bom, IsFile, Problem, Problems};
pub use raw::{Raw, Value, Written};
pub use resolve::{Asked, Resolved, color_of, color_of_problems, isolation_of, resolve};
pub use resolve_deploy::{AskedDeploy, Deploy, LayerSource, ResolvedDeploy, resolve_deploy};
pub use resolve_deployed::{
    AskedDeployed, InvokeDeployed, ResolvedDeployed, When, could_be_deployed, resolve_deployed,
};
pub use resolve_serve::{AskedServe, ResolvedServe, resolve_serve};
pub use resolved::{
    Build, Color, Cpu, DevShm, Explain, Invoke, Isolation, Keep, RuntimeClient, RuntimeCompat, Sdk,
    StrangersFile, Verbosity,
};
pub use resolved_serve::{FreezeAfter, Serve};
pub use setting::{Scope, Setting};
pub use strangers::Stranger;
