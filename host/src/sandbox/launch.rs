//! Making, entering and ending one sandbox, from the outside.
//!
//! A sandbox goes through [`Begun`] (its init is at work) to [`Sandbox`] (a process runs in it).
//! Messages to the init are sent ahead of its answers, so that it never waits for the host.
//!
//! # Invariants
//! - Whatever way a sandbox ends, [`Sandbox::end`] or dropping it, everything in it is killed.
//! - A cgroup that was killed is removed and never used again.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lambdabox_bootstrap::plan::{Plan, Step, invariants};
use lambdabox_bootstrap::spawner::message_pair;
use lambdabox_bootstrap::wire::{ExitStatus, FromInit, ToInit};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::cgroup::{CgroupError, Cgroups, Entry, Layout, Limits};
use super::channel::{Channel, watched};
use super::error::SandboxError;
use super::hold::Hold;
use super::network::Namespaces;
use super::plan::{HostRoot, Shell};
use super::spawner::Spawner;
use super::trees::OpenTrees;

/// Names a process among those the init of one sandbox starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProcessKey(pub(crate) u32);

/// What one host process makes sandboxes with.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) spawner: Spawner,
    /// Absent where functions run without limits.
    pub(crate) cgroups: Option<Cgroups>,
    pub(crate) root: HostRoot,
    /// Numbers the sandboxes of this process; none is used twice.
    pub(crate) made: AtomicU32,
}

/// A sandbox whose init is at work on its first steps.
#[derive(Debug)]
pub(crate) struct Begun {
    hold: Hold,
    control: Channel,
    pidfd: AsyncFd<OwnedFd>,
    /// The init's process id on the host.
    pub(crate) pid: i32,
    plan: Plan,
}

/// A program to run in a sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Absolute path inside.
    pub(crate) path: PathBuf,
    /// Arguments, the name first.
    pub(crate) argv: Vec<String>,
    /// `NAME=value`.
    pub(crate) env: Vec<String>,
    /// Working directory inside.
    pub(crate) cwd: PathBuf,
}

/// The write ends of a program's output.
#[derive(Debug)]
pub(crate) struct Output {
    /// Standard output and error, in one pipe so that their order is kept.
    pub(crate) raw: OwnedFd,
    /// The framed log descriptor, for runtimes that know it.
    pub(crate) frames: Option<OwnedFd>,
}

/// How a single process is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessSignal {
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// A program that is to be started, by which name, and where its output goes.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) key: ProcessKey,
    pub(crate) program: Program,
    pub(crate) output: Output,
}

/// What a sandbox has to say.
#[derive(Debug)]
pub(crate) enum Word {
    /// A process ended.
    Exited(ProcessKey, ExitStatus),
    /// A program could not be executed; the kernel's error number.
    NotStarted(ProcessKey, i32),
    /// An unconnected socket of its network, which was asked for; `None` if none could be made.
    Socket(Option<OwnedFd>),
    /// The kernel killed a process of it for want of memory.
    OutOfMemory,
    /// The init ended, and everything with it.
    Gone,
}

impl Workshop {
    /// Whether what runs in its sandboxes is limited.
    pub(crate) fn has_limits(&self) -> bool {
        self.cgroups.is_some()
    }

    /// Whether processes join version 1 groups by themselves, after their birth.
    pub(crate) fn joins_v1(&self) -> bool {
        let layout = self.cgroups.as_ref().map(Cgroups::layout);
        layout.is_some_and(|layout| !matches!(layout, Layout::V2 { .. }))
    }

    /// Makes the cgroup, if there is to be one, and the first process; returns while that is still at
    /// work.
    pub(crate) async fn begin(
        &self,
        lease: &str,
        shell: &Shell,
        memory_mb: u32,
    ) -> Result<Begun, SandboxError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let limits = Limits::of_function(memory_mb);
        let make = |cgroups: &Cgroups| cgroups.make(&format!("{lease}-{number}"), &limits);
        let group = self.cgroups.as_ref().map(make).transpose()?;
        let (ours, theirs) = message_pair().map_err(SandboxError::Init)?;
        let control = Channel::new(ours).map_err(SandboxError::Init)?;
        let plan = Plan {
            namespaces: shell.namespaces(),
            prepare: shell.steps(&self.root),
            launch: Vec::new(),
        };
        let entry = match &group {
            Some(group) => group.entry()?,
            None => Entry { birth: None, tasks: Vec::new() },
        };
        let (namespaces, prepare) = (plan.namespaces.clone(), plan.prepare.clone());
        let made = self.spawner.make(namespaces, prepare, theirs, entry.birth, &entry.tasks);
        let (pid, pidfd) = match made.await {
            Ok(made) => made,
            Err(error) => {
                // Nothing was born, so nothing has to be killed first.
                if let Some(group) = group {
                    group.remove().await?;
                }
                return Err(error);
            }
        };
        let hold = match group {
            Some(group) => Hold::Group(group),
            None => Hold::pid_namespace(pid, &pidfd).map_err(SandboxError::Init)?,
        };
        let pidfd = watched(pidfd).map_err(SandboxError::Init)?;
        Ok(Begun { hold, control, pidfd, pid, plan })
    }
}

impl Begun {
    /// Gives the sandbox its function: trees, the last steps, and the first programs, which are started
    /// in this order.
    ///
    /// The listeners are those of the plan's `Listen` steps, in order.
    pub(crate) async fn launch(
        mut self,
        trees: OpenTrees,
        steps: Vec<Step>,
        processes: Vec<Process>,
    ) -> Result<(Sandbox, Vec<TcpListener>), SandboxError> {
        self.plan.launch.clone_from(&steps);
        self.assert_sound(&trees);
        match self.try_launch(trees, steps, processes).await {
            Ok(listeners) => {
                let Self { mut hold, control, pidfd, pid, plan } = self;
                hold.seal();
                Ok((Sandbox::new(hold, control, pidfd, pid, plan), listeners))
            }
            Err(error) => {
                let Self { hold, control, pidfd, .. } = self;
                drop(control);
                end(hold, &pidfd).await?;
                Err(error)
            }
        }
    }

    /// In debug builds: the plan keeps its rules, and no descriptor comes along that no step asks for.
    fn assert_sound(&self, trees: &OpenTrees) {
        debug_assert_eq!(self.plan.descriptors().len(), trees.descriptors.len(), "{}", self.plan);
        debug_assert!(
            invariants::broken(&self.plan).is_empty(),
            "{:?}\n{}",
            invariants::broken(&self.plan),
            self.plan
        );
    }

    async fn try_launch(
        &self,
        trees: OpenTrees,
        steps: Vec<Step>,
        processes: Vec<Process>,
    ) -> Result<Vec<TcpListener>, SandboxError> {
        let descriptors: Vec<_> = trees.descriptors.iter().map(AsFd::as_fd).collect();
        let sent = self.control.send(&ToInit::Launch { steps }, &descriptors).await;
        // A broken pipe here means that an early step failed; the reason waits to be read.
        ignore_closed(sent)?;
        for process in processes {
            ignore_closed(start(&self.control, process).await)?;
        }
        let listeners = match self.answer().await? {
            (FromInit::Prepared, listeners) => {
                listeners.into_iter().map(TcpListener::from).collect()
            }
            (other, _) => return Err(unexpected(&other)),
        };
        match self.answer().await? {
            (FromInit::Launched, _) => Ok(listeners),
            (other, _) => Err(unexpected(&other)),
        }
    }

    async fn answer(&self) -> Result<(FromInit, Vec<OwnedFd>), SandboxError> {
        match self.control.receive().await.map_err(SandboxError::Init)? {
            Some((FromInit::Failed(failure), _)) => Err(SandboxError::Step(failure)),
            Some(answer) => Ok(answer),
            None => Err(SandboxError::InitEnded),
        }
    }

    /// The init's namespaces that `nat` is concerned with. Nobody may open them after the launch.
    pub(crate) fn namespaces(&self) -> io::Result<Namespaces> {
        let open = |name: &str| -> io::Result<OwnedFd> {
            Ok(std::fs::File::open(format!("/proc/{}/ns/{name}", self.pid))?.into())
        };
        Ok(Namespaces { network: open("net")?, user: open("user")? })
    }

    /// Gives up before a launch because of `error`. If an early step of the init had failed by then,
    /// what failed here did so because the init was gone: its own words are what is returned.
    pub(crate) async fn abandon(self, error: SandboxError) -> SandboxError {
        let Self { hold, control, pidfd, .. } = self;
        if let Err(unended) = end(hold, &pidfd).await {
            return unended;
        }
        // It has ended, so this does not wait: what it said is there, then the end.
        while let Ok(Some((said, _))) = control.receive::<FromInit>().await {
            if let FromInit::Failed(failure) = said {
                return SandboxError::Step(failure);
            }
        }
        error
    }
}

/// Has the init start a process. Whether that went well is a [`Word`].
async fn start(control: &Channel, process: Process) -> io::Result<()> {
    let Process { key, program, output } = process;
    let start = ToInit::Start {
        key: key.0,
        program: program.path,
        argv: program.argv,
        env: program.env,
        cwd: program.cwd,
        frames: output.frames.is_some(),
    };
    let mut descriptors = vec![output.raw.as_fd()];
    descriptors.extend(output.frames.as_ref().map(AsFd::as_fd));
    control.send(&start, &descriptors).await
}

fn ignore_closed(sent: io::Result<()>) -> Result<(), SandboxError> {
    match sent {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Ok(())
        }
        other => other.map_err(SandboxError::Init),
    }
}

fn unexpected(answer: &FromInit) -> SandboxError {
    SandboxError::Init(io::Error::other(format!("unexpected answer {answer:?}")))
}

/// A sandbox with a process in it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    hold: Arc<Hold>,
    memory_watch: MemoryWatch,
    /// Told by that watch.
    out_of_memory: Arc<Notify>,
    control: Channel,
    pidfd: AsyncFd<OwnedFd>,
    pid: i32,
    plan: Plan,
}

impl Sandbox {
    fn new(hold: Hold, control: Channel, pidfd: AsyncFd<OwnedFd>, pid: i32, plan: Plan) -> Self {
        let hold = Arc::new(hold);
        let out_of_memory = Arc::new(Notify::new());
        let (watched, told) = (Arc::clone(&hold), Arc::clone(&out_of_memory));
        let memory_watch = MemoryWatch(tokio::spawn(async move {
            watched.out_of_memory().await?;
            told.notify_one();
            Ok(())
        }));
        Self { hold, memory_watch, out_of_memory, control, pidfd, pid, plan }
    }

    /// Its control group, or what stands in for it.
    pub(crate) fn group(&self) -> &Hold {
        &self.hold
    }

    /// Stops every process from running; the kernel does it within microseconds of this.
    pub(crate) fn freeze(&self) -> Result<(), SandboxError> {
        Ok(self.hold.freeze()?)
    }

    /// Lets them run again.
    pub(crate) fn thaw(&self) -> Result<(), SandboxError> {
        Ok(self.hold.thaw()?)
    }

    /// The init's process id on the host.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Every step it was made by.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Starts one more process. Whether that went well is a [`Word`].
    pub(crate) async fn start(&self, process: Process) -> Result<(), SandboxError> {
        ignore_closed(start(&self.control, process).await)
    }

    /// Has its first process make a socket, which is a [`Word`].
    pub(crate) async fn ask_for_socket(&self) -> Result<(), SandboxError> {
        ignore_closed(self.control.send(&ToInit::Socket, &[]).await)
    }

    /// Sends a signal to a process and its group; to one that has ended, nothing.
    pub(crate) async fn signal(
        &self,
        key: ProcessKey,
        signal: ProcessSignal,
    ) -> Result<(), SandboxError> {
        let signal = match signal {
            ProcessSignal::Terminate => Signal::TERM,
            ProcessSignal::Kill => Signal::KILL,
        };
        let message = ToInit::Signal { key: key.0, signal: signal.as_raw() };
        ignore_closed(self.control.send(&message, &[]).await)
    }

    /// What happens next. Dropping the future loses nothing.
    pub(crate) async fn word(&self) -> Word {
        tokio::select! {
            biased;
            () = self.out_of_memory.notified() => Word::OutOfMemory,
            word = self.word_of_init() => word,
        }
    }

    async fn word_of_init(&self) -> Word {
        loop {
            match self.control.receive().await {
                Ok(Some((FromInit::Exited { .. }, _))) if self.ran_out_of_memory() => {
                    return Word::OutOfMemory;
                }
                Ok(Some((FromInit::Exited { key, status }, _))) => {
                    return Word::Exited(ProcessKey(key), status);
                }
                Ok(Some((FromInit::Socket, sockets))) => {
                    return Word::Socket(sockets.into_iter().next());
                }
                Ok(Some((FromInit::NoSocket { .. }, _))) => return Word::Socket(None),
                Ok(Some((FromInit::NotStarted { key, errno }, _))) => {
                    return Word::NotStarted(ProcessKey(key), errno);
                }
                Ok(Some((FromInit::Failed(_), _)) | None) | Err(_) => {
                    return if self.ran_out_of_memory() { Word::OutOfMemory } else { Word::Gone };
                }
                Ok(Some(_)) => {}
            }
        }
    }

    /// Whether the kernel has killed any of its processes for want of memory. The event may come a
    /// moment later, so whoever is about to believe the function asks this.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        // A counter that cannot be read has nothing to add; the event still comes.
        self.hold.oom_kills().is_ok_and(|kills| kills > 0)
    }

    /// Kills every process and waits until nothing is left of the sandbox.
    pub(crate) async fn end(self) -> Result<(), SandboxError> {
        let Self { hold, memory_watch, control, pidfd, .. } = self;
        memory_watch.end().await;
        let ended = match Arc::into_inner(hold) {
            Some(hold) => end(hold, &pidfd).await,
            None => Err(SandboxError::Init(io::Error::other("somebody still holds the cgroup"))),
        };
        drop(control);
        ended
    }
}

/// Watches the group for a kill by the kernel; made once, because each watch is registered anew.
/// Dropping it lets go of the group, which dies when nobody holds it any more.
#[derive(Debug)]
struct MemoryWatch(JoinHandle<Result<(), CgroupError>>);

impl MemoryWatch {
    /// Returns when it has let go of the group.
    async fn end(mut self) {
        self.0.abort();
        // Cancelled or not, it holds nothing any more.
        let _ended = (&mut self.0).await;
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn end(hold: Hold, pidfd: &AsyncFd<OwnedFd>) -> Result<(), SandboxError> {
    hold.kill()?;
    // On v1 the init joins its group by itself: one that had not yet was not there to be killed, and
    // would wait at the gate for ever.
    match pidfd_send_signal(pidfd.get_ref(), Signal::KILL) {
        // One with an id that we may not signal has joined before it took that, and is killed already.
        Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
        Err(errno) => return Err(SandboxError::Init(errno.into())),
    }
    // Readable when the init has ended, which the kernel delays until its last process is gone.
    let _ended = pidfd.readable().await.map_err(SandboxError::Init)?;
    hold.remove().await
}

#[cfg(test)]
mod tests;
