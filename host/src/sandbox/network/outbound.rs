//! Placement `nat` by whichever means this process has: root's firewall, or a user's program.
//!
//! # Not here
//! How either works (`nat`, `slirp`), and what is done where neither can be had (`app`).

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use lambdabox_bootstrap::plan::Step;

use super::{
    error::{NatError, NatMissing},
    nat::{Nat, NatMeans},
    resolver::resolv_conf,
    slirp::{Slirp, SlirpMeans, SlirpWire},
    wire::Wire,
};

/// Proof that this process can have `nat`.
#[derive(Debug, Clone)]
pub enum OutboundMeans {
    /// As root.
    Routed(NatMeans),
    /// As an ordinary user.
    Slirp(SlirpMeans),
}

/// `nat` of this process, until [`Outbound::close`].
#[derive(Debug)]
pub enum Outbound {
    /// As root.
    Routed(Nat),
    /// As an ordinary user.
    Slirp(Slirp),
}

/// What the plan of a sandbox says because of `nat`.
#[derive(Debug, Clone, Default)]
pub struct Inside {
    /// The sandbox's `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// A step of the namespace itself, where nothing outside of it confines the function.
    pub firewall: Option<Step>,
}

/// The namespaces of an environment, as they were before its function had a user namespace.
#[derive(Debug)]
pub struct Namespaces {
    /// Where the interface goes.
    pub network: OwnedFd,
    /// Whose root may put it there.
    pub user: OwnedFd,
}

impl Namespaces {
    fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Self { network: self.network.try_clone()?, user: self.user.try_clone()? })
    }
}

/// A connected environment. Dropping it takes the connection away, or leaves that to the end of the
/// environment's namespace.
#[derive(Debug)]
pub enum Connection {
    /// As root.
    Routed(Wire),
    /// As an ordinary user.
    Slirp(SlirpWire),
}

impl OutboundMeans {
    /// What this machine offers this process, without changing anything.
    ///
    /// # Errors
    /// Names what is missing; [`NatMissing::remedy`] says what to do.
    pub fn probe() -> Result<Self, NatMissing> {
        match rustix::process::geteuid().is_root() {
            true => Nat::probe().map(Self::Routed),
            false => Slirp::probe().map(Self::Slirp),
        }
    }

    /// What the plan has to say, which is needed long before the rest is made.
    ///
    /// # Errors
    /// Files or addresses of the host cannot be read.
    pub fn inside(&self, slot: u16) -> Result<Inside, NatError> {
        match self {
            Self::Routed(_) => Ok(Inside { resolv_conf: resolv_conf()?.text, ..Inside::default() }),
            Self::Slirp(means) => {
                let slirp = Slirp::open(means.clone(), slot)?;
                let firewall =
                    Step::Firewall { dns: slirp.name_server(), blocked: slirp.blocked()? };
                let resolv_conf = slirp.resolver().text.clone();
                Ok(Inside { resolv_conf, firewall: Some(firewall) })
            }
        }
    }

    /// Makes what all environments of this process share; see [`Nat::open`]. Returns what the user
    /// should hear.
    ///
    /// # Errors
    /// What was made is removed again, or left to [`super::sweep`].
    pub async fn open(
        self,
        slot: u16,
        state_dir: &Path,
    ) -> Result<(Outbound, Vec<String>), NatError> {
        match self {
            Self::Routed(means) => {
                let (nat, notices) = Nat::open(means, slot, state_dir).await?;
                Ok((Outbound::Routed(nat), notices))
            }
            Self::Slirp(means) => {
                let slirp = Slirp::open(means, slot)?;
                let notices = slirp.resolver().notice.iter().cloned().collect();
                Ok((Outbound::Slirp(slirp), notices))
            }
        }
    }
}

impl Outbound {
    /// Gives one environment its `eth0`; see [`Nat::connect`] and [`Slirp::attach`].
    ///
    /// # Errors
    /// What the kernel or the program refused.
    pub async fn connect(
        &self,
        environment: u32,
        namespaces: &Namespaces,
    ) -> Result<Connection, NatError> {
        match self {
            Self::Routed(nat) => {
                nat.connect(environment, namespaces.network.as_fd()).await.map(Connection::Routed)
            }
            Self::Slirp(slirp) => {
                let kept = namespaces.try_clone();
                let Namespaces { network, user } = kept.map_err(|source| NatError::File {
                    what: "keep",
                    path: "the environment's namespaces".into(),
                    source,
                })?;
                slirp.attach(network, user).await.map(Connection::Slirp)
            }
        }
    }

    /// Removes an environment's connection now. Gone already is fine.
    ///
    /// # Errors
    /// What the kernel refused.
    pub async fn disconnect(&self, environment: u32) -> Result<(), NatError> {
        match self {
            Self::Routed(nat) => nat.disconnect(environment).await,
            // It went with its [`Connection`].
            Self::Slirp(_) => Ok(()),
        }
    }

    /// Gives everything back. Call when no process is left in any environment.
    ///
    /// # Errors
    /// Everything that failed; the rest is done all the same.
    pub async fn close(self) -> Result<(), Vec<NatError>> {
        match self {
            Self::Routed(nat) => nat.close().await,
            Self::Slirp(slirp) => {
                slirp.close().await;
                Ok(())
            }
        }
    }
}
