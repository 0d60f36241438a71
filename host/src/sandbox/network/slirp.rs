//! Placement `nat` for an ordinary user: slirp4netns, a TCP/IP stack in a program of the user's.
//!
//! The program enters the environment's namespaces by descriptor, makes `eth0` there and turns what the
//! function sends into connections of the user. It listens nowhere, so environments cannot reach one
//! another; what they may not reach of the host is [`Slirp::blocked`], which the environment's init loads as
//! rules of its own namespace (`lambdabox_bootstrap::firewall`) before it gives its capabilities away.
//! slirp4netns itself forbids only the host's 127.0.0.1 by its own alias (`--disable-host-loopback`).
//!
//! # Invariants
//! - The program ends with the guard, and with this process however that ends: it watches a pipe.
//! - Nothing of ours is inherited by it but that pipe, the pipe it says "ready" on, and its log.
//! - Without those rules no function starts: they are a step of the plan.
//!
//! # Not here
//! pasta: Debian 12's fails (`reference/sandbox.md` 6). slirp4netns' own `--enable-sandbox`: it becomes
//! root of the user namespace that owns the network namespace, which has none.
//!
//! # Sources
//! slirp4netns(1) 1.2; libslirp 4.7, `sotranslate_out4` and `get_dns_addr`.

use std::{
    env,
    io::{self, PipeReader, PipeWriter},
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use lambdabox_bootstrap::firewall::Network;
use rustix::fs::{Access, access};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, Command},
    sync::{Mutex, oneshot},
    task::JoinSet,
    time::timeout,
};

use super::{
    blocked,
    error::{NatError, NatMissing},
    modules::KernelModules,
    nat::free_block,
    nft::find_program,
    plan::{INSIDE_INTERFACE, SlotPlan},
    resolver::{HOST_FILE, Resolver, nameservers, read},
};

/// Where a user's program makes interfaces.
pub(crate) const TUN: &str = "/dev/net/tun";

/// As rootless podman and docker have it: nothing is gained by small segments between two programs.
const MTU_BYTES: u16 = 65_520;

/// Bits of the address slirp4netns gives meanings to: .2 gateway, .3 names, .100 the environment.
const PREFIX: u8 = 24;

/// It is ready in 10 ms; emulated machines take a hundred times that.
const PATIENCE: Duration = Duration::from_secs(30);

/// What of its log a failure repeats.
const MAX_SAID_BYTES: u64 = 4_096;

/// The program of this machine.
#[derive(Debug, Clone)]
pub struct SlirpMeans {
    program: PathBuf,
}

/// `nat` of one lambdabox process without root. Holds nothing of the machine but its programs.
#[derive(Debug)]
pub struct Slirp {
    program: PathBuf,
    network: Ipv4Addr,
    resolver: Resolver,
    /// One for each program that runs.
    minders: Mutex<JoinSet<()>>,
}

/// One environment's slirp4netns. Dropping it ends the program and with it `eth0`.
#[derive(Debug)]
pub struct SlirpWire {
    /// The environment's own IPv4 address.
    pub address: Ipv4Addr,
    /// The program's process id.
    pub pid: Option<u32>,
    /// Its closing ends the program, also when nobody is left to close it.
    _alive: PipeWriter,
    /// The other end is the minder's: dropped, it kills and waits.
    _minded: oneshot::Sender<()>,
}

impl Slirp {
    /// What this machine offers an ordinary user, without changing anything.
    ///
    /// # Errors
    /// Names what is missing; [`NatMissing::remedy`] says what to do.
    pub fn probe() -> Result<SlirpMeans, NatMissing> {
        let program = find_program("slirp4netns", env::var_os("PATH")).ok_or(NatMissing::Slirp)?;
        if let Err(error) = access(TUN, Access::READ_OK | Access::WRITE_OK) {
            return Err(NatMissing::Tun { is_there: error != rustix::io::Errno::NOENT });
        }
        if KernelModules::running().lacks("nf_tables") {
            return Err(NatMissing::Module { name: "nf_tables" });
        }
        Ok(SlirpMeans { program })
    }

    /// Chooses addresses that the host does not use and looks for its nameservers.
    ///
    /// # Errors
    /// A file that cannot be read, or no free addresses.
    pub fn open(means: SlirpMeans, slot: u16) -> Result<Self, NatError> {
        let network = SlotPlan { block: free_block(slot)?, slot }.network();
        let resolver =
            resolver_of_slirp(&read(HOST_FILE)?.unwrap_or_default(), name_server(network));
        Ok(Self { program: means.program, network, resolver, minders: Mutex::default() })
    }

    /// What the sandbox's `/etc/resolv.conf` must say, and whether that will help.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Where questions of DNS go, and nothing else.
    pub fn name_server(&self) -> Ipv4Addr {
        name_server(self.network)
    }

    /// What the environment's init has to forbid before the function runs. Addresses the host gets
    /// later are not among them.
    ///
    /// # Errors
    /// The host's addresses cannot be listed.
    pub fn blocked(&self) -> Result<Vec<Network>, NatError> {
        let aliases = Network { address: self.network, prefix: PREFIX };
        Ok(blocked::NEVER.into_iter().chain([aliases]).chain(blocked::of_this_host()?).collect())
    }

    /// Gives the environment its `eth0`, an address and a default route. The rules of
    /// [`Slirp::blocked`] are in force already. `userns` owns `netns`, and this user owns `userns`.
    ///
    /// # Errors
    /// What slirp4netns says; nothing of it is left then.
    pub async fn attach(&self, netns: OwnedFd, userns: OwnedFd) -> Result<SlirpWire, NatError> {
        let failed = |source| NatError::Run { program: self.program.clone(), source };
        let (watched, alive) = io::pipe().map_err(failed)?;
        let (ready, says_ready) = io::pipe().map_err(failed)?;
        let mut process = self.start(&netns, &userns, watched, says_ready).map_err(failed)?;
        let mut ready = pipe::Receiver::from_owned_fd(ready.into()).map_err(failed)?;
        let mut said = [0];
        // Its "1", or the end of its end of the pipe, which is the end of the program.
        let answer = timeout(PATIENCE, ready.read(&mut said)).await;
        match answer {
            Ok(Ok(1)) => {}
            Ok(Ok(_)) => return Err(self.refused(&mut process).await),
            Ok(Err(source)) => return Err(failed(source)),
            Err(_elapsed) => return Err(failed(io::ErrorKind::TimedOut.into())),
        }
        // Nobody reads what it says from now on, and it must not wait for that.
        if let Some(log) = process.stderr.take() {
            tokio::spawn(drain(log));
        }
        let (pid, (minded, ended)) = (process.id(), oneshot::channel());
        let mut minders = self.minders.lock().await;
        minders.spawn(mind(process, ended));
        // Those that have ended are not kept.
        while minders.try_join_next().is_some() {}
        Ok(SlirpWire { address: at(self.network, 100), pid, _alive: alive, _minded: minded })
    }

    /// Waits until every program is gone. Every [`SlirpWire`] has been dropped.
    pub async fn close(self) {
        let mut minders = self.minders.into_inner();
        while minders.join_next().await.is_some() {}
    }

    /// Its standard input says "ready", and is closed then; its standard output is the pipe it watches,
    /// where its own words go nowhere. Both are numbers that nothing else can be given meanwhile.
    fn start(
        &self,
        netns: &OwnedFd,
        userns: &OwnedFd,
        watched: PipeReader,
        says_ready: PipeWriter,
    ) -> io::Result<Child> {
        // Ours, by our own number: what it inherits would be anybody's whom we start meanwhile.
        let ours = |fd: &OwnedFd| format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd());
        Command::new(&self.program)
            .args(["--configure", "--disable-host-loopback", "--enable-seccomp"])
            .arg(format!("--mtu={MTU_BYTES}"))
            .arg(format!("--cidr={}/{PREFIX}", self.network))
            .args(["--ready-fd=0", "--exit-fd=1", "--netns-type=path"])
            .arg(format!("--userns-path={}", ours(userns)))
            .args([ours(netns).as_str(), INSIDE_INTERFACE])
            .env_clear()
            // A Ctrl-C is for lambdabox, whose functions may use the network until they end.
            .process_group(0)
            .stdin(Stdio::from(says_ready))
            .stdout(Stdio::from(watched))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// It ended before it was ready.
    async fn refused(&self, process: &mut Child) -> NatError {
        let mut said = Vec::new();
        if let Some(log) = process.stderr.take() {
            // What cannot be read is not said; that it failed is.
            let _: io::Result<usize> = log.take(MAX_SAID_BYTES).read_to_end(&mut said).await;
        }
        let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
        NatError::Refused {
            what: "give the environment a network",
            program: self.program.clone(),
            said,
        }
    }
}

#[cfg(test)]
impl SlirpWire {
    /// Closes only what the kernel would close if this process were killed.
    pub(super) fn closed_by_the_kernel(self) -> oneshot::Sender<()> {
        self._minded
    }
}

/// Waits for the program's end, which comes by itself or when its [`SlirpWire`] is dropped.
async fn mind(mut process: Child, ended: oneshot::Receiver<()>) {
    tokio::select! {
        // A function whose network is gone is told so by every connection it tries.
        _by_itself = process.wait() => return,
        _dropped = ended => {}
    }
    // It fails for a process that has just ended by itself.
    let _: io::Result<()> = process.kill().await;
}

async fn drain(mut log: tokio::process::ChildStderr) {
    let mut nowhere = tokio::io::sink();
    // The end of the program ends this too.
    let _: io::Result<u64> = tokio::io::copy(&mut log, &mut nowhere).await;
}

fn at(network: Ipv4Addr, host: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(network.to_bits() | host)
}

fn name_server(network: Ipv4Addr) -> Ipv4Addr {
    at(network, 3)
}

/// slirp4netns asks the host's first IPv4 nameserver, on loopback too.
pub fn resolver_of_slirp(host: &str, ours: Ipv4Addr) -> Resolver {
    let has_one = nameservers(host).iter().any(IpAddr::is_ipv4);
    let options = host.lines().filter(|line| line.trim_start().starts_with("options"));
    let options: String = options.map(|line| format!("{}\n", line.trim())).collect();
    let notice = "names cannot be resolved inside: /etc/resolv.conf names no IPv4 nameserver";
    Resolver {
        text: if has_one { format!("nameserver {ours}\n{options}") } else { String::new() },
        notice: (!has_one).then(|| notice.to_owned()),
        forward_to: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ipv4Addr = Ipv4Addr::new(247, 1, 64, 3);

    #[test]
    fn names_are_asked_of_slirp4netns_wherever_the_hosts_nameserver_is() {
        for server in ["127.0.0.53", "10.0.0.2", "169.254.169.253"] {
            let host = format!("search corp\nnameserver {server}\noptions use-vc\n");
            let chosen = resolver_of_slirp(&host, OURS);
            assert_eq!(chosen.text, "nameserver 247.1.64.3\noptions use-vc\n", "{server}");
            assert_eq!(chosen.notice, None);
        }
    }

    #[test]
    fn a_host_without_an_ipv4_nameserver_is_said() {
        for host in ["", "nameserver 2001:db8::53\n"] {
            let chosen = resolver_of_slirp(host, OURS);
            assert_eq!(chosen.text, "");
            assert!(chosen.notice.unwrap().contains("cannot be resolved"), "{host}");
        }
    }

    #[test]
    fn the_addresses_are_those_slirp4netns_gives_meanings_to() {
        let network = SlotPlan { block: 247, slot: 5 }.network();
        assert_eq!(name_server(network), OURS);
        assert_eq!(at(network, 100), Ipv4Addr::new(247, 1, 64, 100));
    }
}
