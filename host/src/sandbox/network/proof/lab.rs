//! A small internet of network namespaces, so that the machine's own rules stay untouched.
//!
//! ```text
//!  outside 10.77.0.1, 169.254.169.254 ── 10.77.0.2 host 10.79.0.2 ── 10.79.0.1 neighbour
//!                                         10.99.0.1 │
//!                                     environments (made by the test)
//! ```
//! `outside` has no route to the environments: an answer proves that addresses were translated.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use nix::sched::{CloneFlags, setns};
use nix::sys::{
    socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt},
    time::{TimeVal, TimeValLike},
};
use tempfile::TempDir;

use crate::sandbox::network::{Nat, NatMeans, Resolver, Wire, resolver::resolv_conf};

pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub(super) const HOST_OTHER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
pub(super) const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// A dropped packet is never answered: this long is "never" on three hops of one machine.
const NEVER: Duration = Duration::from_millis(400);

/// What must be answered may take this long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a condition is looked at that nobody tells of.
const POLL: Duration = Duration::from_millis(5);

const ACCEPT_REDIRECTS: &str = "/proc/sys/net/ipv4/conf/all/accept_redirects";

/// Namespaces and a state directory; dropping it removes them.
pub(super) struct Lab {
    prefix: String,
    names: Vec<String>,
    pub(super) state: TempDir,
    pub(super) means: NatMeans,
}

impl Lab {
    /// `None`, having printed why, where it cannot be built.
    pub(super) fn build() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            println!("SKIP: network namespaces need root");
            return None;
        }
        if let Err(error) = Command::new("ip").arg("-V").output() {
            println!("SKIP: no `ip` program: {error}");
            return None;
        }
        let means = match Nat::probe() {
            Ok(means) => means,
            Err(missing) => {
                println!("SKIP: {missing}; {}", missing.remedy());
                return None;
            }
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("lbxt{}-{number}-", std::process::id());
        let state = tempfile::tempdir().unwrap();
        let mut lab = Self { prefix, names: Vec::new(), state, means };
        for name in ["outside", "host", "neighbour"] {
            lab.add(name);
        }
        for (far, up, at_host, at_far) in [
            ("outside", "up0", "10.77.0.2/24", "10.77.0.1/24"),
            ("neighbour", "up1", "10.79.0.2/24", "10.79.0.1/24"),
        ] {
            let far_ns = lab.name(far);
            lab.ip("host", &format!("link add {up} type veth peer name eth0 netns {far_ns}"));
            // Its link-local address would appear in its own time and blur the comparison.
            lab.inside("host", || {
                std::fs::write(format!("/proc/sys/net/ipv6/conf/{up}/disable_ipv6"), "1").unwrap();
            });
            lab.ip("host", &format!("addr add {at_host} dev {up}"));
            lab.ip("host", &format!("link set {up} up"));
            lab.ip(far, &format!("addr add {at_far} dev eth0"));
            lab.ip(far, "link set eth0 up");
        }
        // A new namespace starts as the machine's first one is, where others may have switched it on.
        // Redirects are not believed, as on a hardened host: the kernel changes that with forwarding.
        lab.inside("host", || {
            fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
            fs::write(ACCEPT_REDIRECTS, "0").unwrap();
        });
        lab.ip("host", &format!("route add default via {OUTSIDE}"));
        lab.ip("host", &format!("addr add {HOST_OTHER}/32 dev lo"));
        lab.ip("outside", &format!("addr add {METADATA}/32 dev lo"));
        lab.ip("outside", &format!("route add 10.79.0.0/24 via {HOST}"));
        lab.ip("neighbour", "route add default via 10.79.0.2");
        lab.serve("outside", 80);
        lab.serve("host", 8080);
        Some(lab)
    }

    /// A new namespace with loopback up.
    pub(super) fn add(&mut self, name: &str) {
        let full = self.name(name);
        run("ip", &format!("netns add {full}"));
        self.names.push(full);
        self.ip(name, "link set lo up");
    }

    /// Gives a process's namespace a name here, with loopback up.
    pub(super) fn attach(&mut self, name: &str, pid: u32) {
        let full = self.name(name);
        run("ip", &format!("netns attach {full} {pid}"));
        self.names.push(full);
        self.ip(name, "link set lo up");
    }

    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn open(&self, name: &str) -> File {
        File::open(format!("/run/netns/{}", self.name(name))).unwrap()
    }

    pub(super) fn ip(&self, name: &str, arguments: &str) {
        run("ip", &format!("-n {} {arguments}", self.name(name)));
    }

    /// Runs `work` on a thread inside the namespace; its processes and threads are there too.
    pub(super) fn inside<T: Send>(&self, name: &str, work: impl FnOnce() -> T + Send) -> T {
        let namespace = self.open(name);
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs asynchronous work as if the namespace `host` were the machine.
    pub(super) fn as_host<T: Send>(&self, work: impl AsyncFnOnce() -> T + Send) -> T {
        self.inside("host", || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(work())
        })
    }

    pub(super) async fn nat(&self, slot: u16) -> (Nat, Vec<String>) {
        self.nat_by(self.means.clone(), slot).await
    }

    pub(super) async fn nat_by(&self, means: NatMeans, slot: u16) -> (Nat, Vec<String>) {
        let resolver = Resolver { forward_to: vec![], ..resolv_conf().unwrap() };
        Nat::open_with(means, slot, self.state.path(), resolver).await.unwrap()
    }

    pub(super) async fn connect(&self, nat: &Nat, environment: u32, name: &str) -> Wire {
        nat.connect(environment, self.open(name).as_fd()).await.unwrap()
    }

    /// Serves every TCP client in the namespace by telling it its own address.
    pub(super) fn serve(&self, name: &str, port: u16) {
        let listener =
            self.inside(name, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let peer = client.peer_addr().unwrap().ip().to_string();
                // A client that went away early is the test's own affair.
                drop(client.write_all(peer.as_bytes()));
            }
        });
    }

    /// Connects from a namespace; the answer is the address the server saw.
    pub(super) fn ask(&self, from: &str, address: Ipv4Addr, port: u16) -> io::Result<String> {
        self.connect_within(PATIENCE, from, address, port)
    }

    /// Connects where a dropped packet is expected: neither answered nor refused.
    #[track_caller]
    pub(super) fn assert_dropped(&self, from: &str, address: Ipv4Addr, port: u16) {
        let answer = self.connect_within(NEVER, from, address, port);
        let error = answer.expect_err("it was reached");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }

    /// Connects where another firewall is expected to refuse or to drop.
    #[track_caller]
    pub(super) fn assert_unreachable(&self, from: &str, address: Ipv4Addr, port: u16) {
        self.connect_within(NEVER, from, address, port).expect_err("it was reached");
    }

    /// The same, by a socket that its owner has bound to a device, past the routing table.
    #[track_caller]
    pub(super) fn assert_unreachable_on_device(
        &self,
        from: &str,
        device: &str,
        address: Ipv4Addr,
        port: u16,
    ) {
        self.inside(from, || {
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
            setsockopt(&socket, sockopt::BindToDevice, &device.into()).unwrap();
            // As long as a connection may take to be made.
            let patience = TimeVal::milliseconds(NEVER.as_millis() as i64);
            setsockopt(&socket, sockopt::SendTimeout, &patience).unwrap();
            let at = SockaddrIn::from(SocketAddrV4::new(address, port));
            connect(socket.as_raw_fd(), &at).expect_err("it was reached");
        });
    }

    fn connect_within(
        &self,
        patience: Duration,
        from: &str,
        address: Ipv4Addr,
        port: u16,
    ) -> io::Result<String> {
        self.inside(from, || {
            let at = SocketAddr::from((address, port));
            let mut stream = TcpStream::connect_timeout(&at, patience)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })
    }

    /// All that `nat` could have changed on the host, less the state of links, which the kernel
    /// updates in its own time.
    pub(super) fn machine(&self) -> String {
        self.inside("host", || {
            let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
            let links: Vec<String> = run("ip", "-br link")
                .lines()
                .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
                .collect();
            [
                read("/proc/sys/net/ipv4/ip_forward"),
                read(ACCEPT_REDIRECTS),
                run("nft", "-s list ruleset"),
                links.join(" "),
                run("ip", "route show table all").replace(" linkdown", ""),
                read(self.state.path().join("ip_forward.json").to_str().unwrap()),
            ]
            .join("\n---\n")
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            // A panic is already telling more than a failed removal would.
            drop(Command::new("ip").args(["netns", "del", name]).status());
        }
    }
}

/// Waits for what is done beside the test, which must give way to it.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

pub(super) fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
