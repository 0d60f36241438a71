//! One environment's wire: a veth pair, its far end inside the environment's namespace as `eth0`.
//!
//! The pair is born with its far end already in the namespace (moving it there later waits for a
//! grace period). The host's end has no address; see `plan`. IPv6 is off on both ends before they
//! are raised: `nat` is IPv4, and a link-local address would be a way to the host.
//!
//! Everything here blocks, and entering a namespace is for good: it runs on a thread of its own that
//! ends afterwards ([`on_own_thread`]).

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    thread,
};

use nix::{
    net::if_::{if_nameindex, if_nametoindex},
    sched::{CloneFlags, setns},
};
use rtnetlink::{
    AddressMessageBuilder, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
    packet_route::{
        RouteNetlinkMessage,
        link::{InfoData, InfoVeth},
        route::RouteScope,
    },
};
use tokio::sync::oneshot;

use super::{
    dns::{self, DnsForwarding},
    error::NatError,
    netlink::{Netlink, Request, permanent_neighbour},
    plan::{INSIDE_INTERFACE, NEXT_HOP, SlotPlan, interface_prefix},
};

/// A connected environment. Dropping it stops the DNS forwarder, if there is one; the veth pair goes
/// with the environment's namespace, or by `Nat::disconnect`.
#[derive(Debug)]
pub struct Wire {
    /// The environment's own IPv4 address.
    pub address: Ipv4Addr,
    /// The host's end.
    pub interface: String,
    /// Answers on 127.0.0.1:53 inside, where the host's resolver cannot be reached directly.
    pub(crate) _dns: Option<DnsForwarding>,
}

/// What `lay` is to do inside besides the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolving {
    /// The host's nameservers are reached over the wire.
    Direct,
    /// Make sockets on 127.0.0.1:53 inside and hand them out.
    ByForwarder,
}

/// The sockets made inside for the forwarder.
pub(crate) type DnsSockets = (UdpSocket, TcpListener);

/// Makes the pair and configures both ends. Call on a thread that ends afterwards.
pub(crate) fn lay(
    plan: SlotPlan,
    environment: u32,
    namespace: OwnedFd,
    resolving: Resolving,
) -> Result<Option<DnsSockets>, NatError> {
    let address = plan.address(environment);
    let failed =
        |(what, source): (&'static str, io::Error)| NatError::Wire { what, address, source };
    let interface = plan.interface(environment);
    let (host_hardware, inside_hardware) = plan.hardware_addresses(environment);

    let host = Netlink::open().map_err(|error| failed(("open netlink", error)))?;
    let far_end = LinkMessageBuilder::<LinkUnspec>::new()
        .name(INSIDE_INTERFACE)
        .address(inside_hardware.to_vec())
        .setns_by_fd(namespace.as_raw_fd())
        .build();
    let pair = LinkMessageBuilder::<LinkVeth>::new(&interface, INSIDE_INTERFACE)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(far_end)))
        .address(host_hardware.to_vec())
        .build();
    host.ask(vec![Request::create("make a veth pair", RouteNetlinkMessage::NewLink(pair))])
        .map_err(failed)?;

    // From here on the namespace's end takes the pair away with it; a failure leaves it to `sweep`.
    sysctl(&format!("ipv6/conf/{interface}/disable_ipv6"), "1").map_err(failed)?;
    // Inherited from `conf/default`, which may differ from `ip_forward`.
    sysctl(&format!("ipv4/conf/{interface}/forwarding"), "1").map_err(failed)?;
    let index = index_of(&interface).map_err(failed)?;
    host.ask(vec![
        Request::change("raise the host's end", up(index)),
        Request::create(
            "name the environment's neighbour",
            permanent_neighbour(index, address, inside_hardware),
        ),
        Request::create(
            "route to the environment",
            RouteNetlinkMessage::NewRoute(
                RouteMessageBuilder::<Ipv4Addr>::new()
                    .destination_prefix(address, 32)
                    .output_interface(index)
                    .scope(RouteScope::Link)
                    .build(),
            ),
        ),
    ])
    .map_err(failed)?;

    setns(&namespace, CloneFlags::CLONE_NEWNET)
        .map_err(|error| failed(("enter the network namespace", error.into())))?;
    let inside = Netlink::open().map_err(|error| failed(("open netlink inside", error)))?;
    sysctl(&format!("ipv6/conf/{INSIDE_INTERFACE}/disable_ipv6"), "1").map_err(failed)?;
    let index = index_of(INSIDE_INTERFACE).map_err(failed)?;
    inside
        .ask(vec![
            Request::change("raise the environment's end", up(index)),
            Request::create(
                "give the environment its address",
                RouteNetlinkMessage::NewAddress(
                    AddressMessageBuilder::<Ipv4Addr>::new()
                        .index(index)
                        .address(address, 32)
                        .build(),
                ),
            ),
            Request::create(
                "name the host's neighbour",
                permanent_neighbour(index, NEXT_HOP, host_hardware),
            ),
            Request::create(
                "route out of the environment",
                RouteNetlinkMessage::NewRoute(
                    RouteMessageBuilder::<Ipv4Addr>::new()
                        .gateway(NEXT_HOP)
                        .output_interface(index)
                        .onlink()
                        .build(),
                ),
            ),
        ])
        .map_err(failed)?;

    match resolving {
        Resolving::Direct => Ok(None),
        Resolving::ByForwarder => dns_sockets(&inside).map(Some).map_err(failed),
    }
}

/// Listens where the sandbox's `resolv.conf` points. Loopback may not be up yet.
fn dns_sockets(inside: &Netlink) -> Result<DnsSockets, (&'static str, io::Error)> {
    let loopback = index_of("lo")?;
    inside.ask(vec![Request::change("raise loopback", up(loopback))])?;
    let at = (Ipv4Addr::LOCALHOST, dns::PORT);
    let udp = UdpSocket::bind(at).map_err(|error| ("listen on 127.0.0.1:53/udp", error))?;
    let tcp = TcpListener::bind(at).map_err(|error| ("listen on 127.0.0.1:53/tcp", error))?;
    Ok((udp, tcp))
}

/// Removes the host's ends of this slot, or of one environment. Blocks for a grace period per call,
/// not per interface. Gone already is fine: the namespace's end took it.
pub(crate) fn remove(slot: u16, only: Option<&str>) -> Result<(), NatError> {
    let failed = |what, source| NatError::Sweep { what, slot, source };
    let prefix = interface_prefix(slot);
    let interfaces = if_nameindex().map_err(|error| failed("list interfaces", error.into()))?;
    let ours: Vec<u32> = interfaces
        .iter()
        .filter(|interface| {
            let name = interface.name().to_string_lossy();
            name.starts_with(&prefix) && only.is_none_or(|only| name == only)
        })
        .map(|interface| interface.index())
        .collect();
    if ours.is_empty() {
        return Ok(());
    }
    let host = Netlink::open().map_err(|error| failed("open netlink for interfaces", error))?;
    for index in ours {
        let link = LinkMessageBuilder::<LinkUnspec>::new().index(index).build();
        let request = Request::change("remove interfaces", RouteNetlinkMessage::DelLink(link));
        match host.ask(vec![request]) {
            Ok(()) => {}
            Err((_, error)) if error.raw_os_error() == Some(nix::libc::ENODEV) => {}
            Err((what, error)) => return Err(failed(what, error)),
        }
    }
    Ok(())
}

/// Runs blocking work on a thread that ends with it: it may have entered another namespace.
pub(super) async fn on_own_thread<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, NatError> + Send + 'static,
) -> Result<T, NatError> {
    let (answer, answered) = oneshot::channel();
    // If nobody waits any more, the answer is not wanted.
    let run = move || drop(answer.send(work()));
    thread::Builder::new()
        .name("network".into())
        .spawn(run)
        .map_err(|source| NatError::Run { program: "a thread".into(), source })?;
    answered.await.unwrap_or(Err(NatError::Thread { what }))
}

fn up(index: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::SetLink(LinkMessageBuilder::<LinkUnspec>::new().index(index).up().build())
}

fn index_of(interface: &str) -> Result<u32, (&'static str, io::Error)> {
    if_nametoindex(interface).map_err(|error| ("find the new interface", error.into()))
}

/// Writes below `/proc/sys/net` of the calling thread's namespace. A kernel without IPv6 has no
/// such file, and then there is nothing to switch off.
fn sysctl(name: &str, value: &str) -> Result<(), (&'static str, io::Error)> {
    let path = Path::new("/proc/sys/net").join(name);
    match fs::write(&path, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && name.starts_with("ipv6") => Ok(()),
        Err(error) => Err(("set an interface's sysctl", error)),
        Ok(()) => Ok(()),
    }
}
