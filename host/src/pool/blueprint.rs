//! Everything an execution environment is made from, decided before it is started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::catalog::{Diagnosis, Moment};
use crate::model::Function;
use crate::sandbox::{
    Ahead, Confinement, HostRoot, Identity, Link, Outbound, Plan, Program, Shell, TmpImage,
    TmpPlan, Tree, launch_steps, planned_steps,
};

const MIB: u64 = 1024 * 1024;

/// How `/tmp` is held for the life of an environment.
#[derive(Debug)]
pub(crate) enum Tmp {
    /// An image on a loop device, kept through resets.
    Image(Ahead<TmpImage>),
    /// Memory: charged to the function, and for root lost at a reset.
    Memory,
}

/// Whatever must not be used again before the environment is gone; dropped with its blueprint.
pub(crate) type Kept = Option<Box<dyn std::any::Any + Send + Sync>>;

/// Whether the CPU is in proportion to memory, as on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuShare {
    /// 1,769 MB is one vCPU.
    Proportional,
    /// No quota; said in REPORT.
    Unlimited,
}

/// Which extensions an environment has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extensions {
    /// Internal ones may register; each of these files of `/opt/extensions` is started.
    Enabled {
        /// Their base names, in the order of the directory.
        external: Vec<String>,
    },
    /// There is no such API, and nothing is started.
    Disabled,
}

impl Extensions {
    /// Files to start.
    pub(crate) fn external(&self) -> &[String] {
        match self {
            Self::Enabled { external } => external,
            Self::Disabled => &[],
        }
    }
}

/// When the environment's network is laid. That takes longer than the rest of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkLaid {
    /// Before the program is started.
    BeforeStart,
    /// While it starts: the program promises to ask the Runtime API for `ping`, which is not served
    /// before, ahead of any code of the customer's.
    DuringStart,
}

/// Everything an environment is made from.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) function: Function,
    /// Prefix of the names of its cgroups: the lease's name.
    pub(crate) lease: String,
    /// Distinguishes environments of one host.
    pub(crate) number: u32,
    /// Its id on the host.
    pub(crate) id: Identity,
    pub(crate) shell: Shell,
    /// Host port behind each forwarded port and address, in the order of their listeners.
    pub(crate) forwards_to: Vec<u16>,
    /// Where X-Ray segments go.
    pub(crate) xray_daemon: Option<SocketAddr>,
    pub(crate) nat: Option<Arc<Ahead<Outbound>>>,
    pub(crate) network_laid: NetworkLaid,
    pub(crate) trees: Vec<Tree>,
    pub(crate) links: Vec<Link>,
    pub(crate) tmp: Tmp,
    pub(crate) shared_memory_bytes: Option<u64>,
    pub(crate) cpu: CpuShare,
    pub(crate) init_limit: Duration,
    /// How long hooks may take after a restore.
    pub(crate) restore_limit: Duration,
    /// What to say instead of the kernel's words when the program cannot be executed.
    pub(crate) no_entry: Option<String>,
    /// Program, arguments and directory; its variables are composed here.
    pub(crate) program: Program,
    pub(crate) extensions: Extensions,
    /// Whether the runtime knows the framed log descriptor.
    pub(crate) frames: bool,
    pub(crate) credentials: Vec<(&'static str, String)>,
    pub(crate) runtime_variables: Vec<(String, String)>,
    pub(crate) log_stream: String,
    /// Told the phases of a start, for benchmarks.
    pub(crate) lap: fn(&'static str),
    /// What of the log is not written yet. Its sender is the log's writer; without one there is room.
    pub(crate) log_waiting_bytes: watch::Receiver<usize>,
    /// Repeated in each REPORT.
    pub(crate) notes: Vec<String>,
    /// Asked why a start has failed; it reads files.
    pub(crate) diagnosis: Arc<Diagnosis>,
    /// Forwarding and network notices for the operator.
    pub(crate) notices: mpsc::Sender<String>,
    /// Its id and address are lent for as long as this is held.
    pub(crate) kept: Kept,
}

impl Blueprint {
    /// Has the operator told why the program could not begin, without anybody waiting for it.
    pub(super) fn explain(&self, error_type: Option<&str>, moment: Moment) {
        let diagnosis = &self.diagnosis;
        let Some(error_type) = error_type.filter(|e| diagnosis.is_wanted(e, moment)) else {
            return;
        };
        let (diagnosis, error_type) = (Arc::clone(diagnosis), error_type.to_owned());
        let notices = self.notices.clone();
        tokio::task::spawn_blocking(move || {
            if let Some(said) = diagnosis.make(&error_type) {
                // Whoever does not listen any more does not want to know.
                let _unheard = notices.blocking_send(said);
            }
        });
    }

    pub(super) fn tmp_bytes(&self) -> u64 {
        u64::from(self.function.ephemeral_storage_mb) * MIB
    }

    /// Whether the spawner keeps its `/tmp`: an ordinary user's has a mount namespace to itself.
    pub(super) fn keeps_tmp(&self) -> bool {
        matches!((&self.tmp, self.id), (Tmp::Memory, Identity::Callers { .. }))
    }

    pub(super) fn confinement(&self) -> Confinement {
        Confinement { identity: self.id, shared_memory_bytes: self.shared_memory_bytes }
    }

    /// Every step that a start will take, in order; nothing is made for it.
    pub(super) fn planned(&self, root: &HostRoot) -> Plan {
        let tmp = match &self.tmp {
            Tmp::Image(_) => TmpPlan::Device {
                index: 0,
                shows: "an image on a loop device".into(),
                options: TmpImage::MOUNT_OPTIONS.to_owned(),
            },
            Tmp::Memory if self.keeps_tmp() => TmpPlan::Kept { index: 0, bytes: self.tmp_bytes() },
            Tmp::Memory => TmpPlan::Memory { bytes: self.tmp_bytes() },
        };
        Plan {
            namespaces: self.shell.namespaces(),
            prepare: self.shell.steps(root),
            launch: launch_steps(planned_steps(&self.trees, &self.links), tmp, &self.confinement()),
        }
    }
}
