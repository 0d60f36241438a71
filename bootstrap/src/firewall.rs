//! What an environment may not reach, dropped where it leaves its own network namespace.
//!
//! Where `nat` is a user's program (slirp4netns), every connection of the function becomes one of that
//! user on the host, so the host's own services, its neighbours' and the metadata address would all
//! answer. No option of that program forbids them. A chain at the namespace's own `output` hook does:
//! it is loaded by the init while it still has `CAP_NET_ADMIN` there, and nobody has it afterwards.
//!
//! Routes would not do: a socket bound to a device passes by the ones that refuse.
//!
//! The messages are written here, because an `nft` program may be missing on a user's machine, and
//! would have no capability after its `exec` where the namespace has no root.
//!
//! # Invariants
//! - All rules are in force, in one transaction, or the step fails.
//! - Loopback is left alone; IPv6 does not leave; what is not blocked may pass.
//!
//! # Sources
//! `linux/netfilter/nfnetlink.h`, `nf_tables.h`, `netlink(7)`.

use std::io;
use std::net::Ipv4Addr;

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
    socket,
};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::os::fd::AsRawFd;

use crate::sys::{self, Side};

/// Addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Any address of it.
    pub address: Ipv4Addr,
    /// How many bits are shared; 32 is one address.
    pub prefix: u8,
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.prefix {
            32.. => write!(f, "{}", self.address),
            prefix => write!(f, "{}/{prefix}", self.address),
        }
    }
}

/// The name of table and chain; the namespace is the environment's own.
const NAME: &[u8] = b"lambdabox\0";
/// DNS (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;
/// Index of `lo` in every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFT_MSG_NEWTABLE: u16 = NFNL_SUBSYS_NFTABLES << 8;
const NFT_MSG_NEWCHAIN: u16 = NFNL_SUBSYS_NFTABLES << 8 | 3;
const NFT_MSG_NEWRULE: u16 = NFNL_SUBSYS_NFTABLES << 8 | 6;
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NF_INET_LOCAL_OUT: u32 = 3;
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;
const NLA_F_NESTED: u16 = 1 << 15;
const NFT_META_OIF: u32 = 5;
const NFT_META_NFPROTO: u32 = 15;
const NFT_META_L4PROTO: u32 = 16;
const NFT_CMP_EQ: u32 = 0;
const NFT_CMP_NEQ: u32 = 1;
const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;
/// Where an IPv4 header has its destination (RFC 791 section 3.1).
const DESTINATION_OFFSET: u32 = 16;
/// Where UDP's and TCP's headers have their destination port.
const PORT_OFFSET: u32 = 2;
const NFT_REG_VERDICT: u32 = 0;
const NFT_REG_1: u32 = 1;
/// `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// Rules of one transaction: about 50 KiB, below the socket's buffer (`net.core.wmem_default`).
const RULES_AT_ONCE: usize = 256;
/// Holds more answers than one datagram has.
const ANSWER_BYTES: usize = 64 * 1024;

/// Drops what leaves the calling thread's network namespace for `blocked`. Questions to `dns` are
/// let out before that, at its port of DNS alone.
///
/// # Errors
/// The kernel's; nothing, or a part that only forbids, is in force then.
pub fn confine(dns: Ipv4Addr, blocked: &[Network]) -> io::Result<()> {
    let mut messages = vec![table(), chain()];
    messages.push(rule(&[meta(NFT_META_OIF), equal(&LOOPBACK.to_ne_bytes()), verdict(NF_ACCEPT)]));
    messages.push(rule(&[
        meta(NFT_META_NFPROTO),
        compare(NFT_CMP_NEQ, &[NFPROTO_IPV4]),
        verdict(NF_DROP),
    ]));
    for protocol in [libc::IPPROTO_UDP as u8, libc::IPPROTO_TCP as u8] {
        messages.push(rule(&[
            destination(),
            equal(&dns.octets()),
            meta(NFT_META_L4PROTO),
            equal(&[protocol]),
            load(NFT_PAYLOAD_TRANSPORT_HEADER, PORT_OFFSET, 2),
            equal(&DNS_PORT.to_be_bytes()),
            verdict(NF_ACCEPT),
        ]));
    }
    messages.extend(blocked.iter().map(|network| {
        let mask = u32::MAX.checked_shl(32 - u32::from(network.prefix.min(32))).unwrap_or(0);
        let first = (network.address.to_bits() & mask).to_be_bytes();
        match mask {
            u32::MAX => rule(&[destination(), equal(&first), verdict(NF_DROP)]),
            mask => rule(&[destination(), masked(mask), equal(&first), verdict(NF_DROP)]),
        }
    }));
    for part in messages.chunks(RULES_AT_ONCE) {
        commit(part)?;
    }
    Ok(())
}

/// Why this kernel takes no such rules: tried in namespaces of a child, which end with it. `None` if it
/// takes them, or if that cannot be tried: without user namespaces, or beside other threads.
pub fn refusal() -> Option<io::Error> {
    let own = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
    match sys::fork().ok()? {
        Side::Child => {
            let tried = unshare(own).is_ok().then(|| confine(Ipv4Addr::UNSPECIFIED, &[]));
            let error = tried.and_then(Result::err);
            sys::exit_now(error.and_then(|error| error.raw_os_error()).unwrap_or(0))
        }
        Side::Parent { pid, .. } => match waitpid(Pid::from_raw(pid), None) {
            Ok(WaitStatus::Exited(_, code)) if code != 0 => {
                Some(io::Error::from_raw_os_error(code))
            }
            _ => None,
        },
    }
}

/// One message without its number.
struct Message {
    kind: u16,
    family: u8,
    body: Vec<u8>,
}

/// Sends the messages as one transaction and hears what became of each.
fn commit(messages: &[Message]) -> io::Result<()> {
    let kind = SockProtocol::NetlinkNetFilter;
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, kind)?;
    bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    let bound = |kind| Message { kind, family: 0, body: Vec::new() };
    // A batch names its subsystem where other messages have a resource.
    let mut datagram = encode(&bound(NFNL_MSG_BATCH_BEGIN), 0, NFNL_SUBSYS_NFTABLES);
    for (number, message) in (1..).zip(messages) {
        datagram.extend(encode(message, number, 0));
    }
    datagram.extend(encode(&bound(NFNL_MSG_BATCH_END), 0, NFNL_SUBSYS_NFTABLES));
    sendto(netlink.as_raw_fd(), &datagram, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;

    let mut answered = 0;
    let mut buffer = vec![0; ANSWER_BYTES];
    while answered < messages.len() {
        let length = recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        answered += acknowledged(&buffer[..length])?;
    }
    Ok(())
}

/// How many messages one datagram says to be in force; the first refusal is the error.
fn acknowledged(mut rest: &[u8]) -> io::Result<usize> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut answered = 0;
    while rest.len() >= HEADER_BYTES {
        let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let kind = u16::from_ne_bytes([rest[4], rest[5]]);
        let body = rest.get(HEADER_BYTES..length).ok_or_else(malformed)?;
        let code = body.first_chunk().ok_or_else(malformed)?;
        if i32::from(kind) != libc::NLMSG_ERROR {
            return Err(malformed());
        }
        match i32::from_ne_bytes(*code) {
            0 => answered += 1,
            code => return Err(io::Error::from_raw_os_error(-code)),
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(answered)
}

/// `struct nlmsghdr`, `struct nfgenmsg`, attributes.
fn encode(message: &Message, number: u32, resource: u16) -> Vec<u8> {
    let is_bound = matches!(message.kind, NFNL_MSG_BATCH_BEGIN | NFNL_MSG_BATCH_END);
    let flags = match (is_bound, message.kind) {
        (true, _) => libc::NLM_F_REQUEST,
        (false, NFT_MSG_NEWRULE) => {
            libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_APPEND
        }
        (false, _) => libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE,
    };
    let length = HEADER_BYTES + 4 + message.body.len();
    let mut bytes = (length as u32).to_ne_bytes().to_vec();
    bytes.extend(message.kind.to_ne_bytes());
    bytes.extend((flags as u16).to_ne_bytes());
    bytes.extend(number.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend([message.family, 0]);
    bytes.extend(resource.to_be_bytes());
    bytes.extend(&message.body);
    bytes
}

/// One attribute, padded to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, &parts.concat())
}

fn table() -> Message {
    Message { kind: NFT_MSG_NEWTABLE, family: NFPROTO_INET, body: attribute(1, NAME) }
}

/// Table, name, hook (number, priority), policy, type.
fn chain() -> Message {
    let hook = nested(4, &[number(1, NF_INET_LOCAL_OUT), number(2, 0)]);
    let parts = [
        attribute(1, NAME),
        attribute(3, NAME),
        hook,
        number(5, NF_ACCEPT),
        attribute(7, b"filter\0"),
    ];
    Message { kind: NFT_MSG_NEWCHAIN, family: NFPROTO_INET, body: parts.concat() }
}

/// Table, chain, expressions.
fn rule(expressions: &[Vec<u8>]) -> Message {
    let parts = [attribute(1, NAME), attribute(2, NAME), nested(4, expressions)];
    Message { kind: NFT_MSG_NEWRULE, family: NFPROTO_INET, body: parts.concat() }
}

/// One expression of a rule's list.
fn expression(name: &[u8], parts: &[Vec<u8>]) -> Vec<u8> {
    nested(1, &[attribute(1, name), nested(2, parts)])
}

fn meta(key: u32) -> Vec<u8> {
    expression(b"meta\0", &[number(1, NFT_REG_1), number(2, key)])
}

fn load(base: u32, offset: u32, length: u32) -> Vec<u8> {
    let parts = [number(1, NFT_REG_1), number(2, base), number(3, offset), number(4, length)];
    expression(b"payload\0", &parts)
}

fn destination() -> Vec<u8> {
    load(NFT_PAYLOAD_NETWORK_HEADER, DESTINATION_OFFSET, 4)
}

fn masked(mask: u32) -> Vec<u8> {
    let value = |kind, value: u32| nested(kind, &[attribute(1, &value.to_be_bytes())]);
    let parts =
        [number(1, NFT_REG_1), number(2, NFT_REG_1), number(3, 4), value(4, mask), value(5, 0)];
    expression(b"bitwise\0", &parts)
}

fn equal(value: &[u8]) -> Vec<u8> {
    compare(NFT_CMP_EQ, value)
}

fn compare(operation: u32, value: &[u8]) -> Vec<u8> {
    let data = nested(3, &[attribute(1, value)]);
    expression(b"cmp\0", &[number(1, NFT_REG_1), number(2, operation), data])
}

fn verdict(code: u32) -> Vec<u8> {
    let data = nested(2, &[nested(2, &[number(1, code)])]);
    expression(b"immediate\0", &[number(1, NFT_REG_VERDICT), data])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Network byte order where the kernel wants it, and lengths that leave the padding out.
    #[test]
    fn attributes_are_padded_and_numbers_are_big_endian() {
        assert_eq!(attribute(1, b"ab\0"), [7, 0, 1, 0, b'a', b'b', 0, 0]);
        assert_eq!(number(2, 5), [8, 0, 2, 0, 0, 0, 0, 5]);
        assert_eq!(nested(4, &[number(1, 3)])[..4], [12, 0, 4, 0x80]);
    }

    #[test]
    fn the_first_refusal_is_the_error_and_acknowledgements_are_counted() {
        let answer = |code: i32| {
            let mut bytes = 36_u32.to_ne_bytes().to_vec();
            bytes.extend((libc::NLMSG_ERROR as u16).to_ne_bytes());
            bytes.resize(HEADER_BYTES, 0);
            bytes.extend(code.to_ne_bytes());
            bytes.resize(36, 0);
            bytes
        };
        assert_eq!(acknowledged(&[answer(0), answer(0)].concat()).unwrap(), 2);
        let refused = acknowledged(&[answer(0), answer(-libc::EPERM)].concat()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        assert!(acknowledged(&answer(0)[..20]).is_err(), "cut short");
    }

    #[test]
    fn a_network_is_printed_as_people_write_it() {
        let network = |prefix| Network { address: Ipv4Addr::new(169, 254, 0, 0), prefix };
        assert_eq!(network(16).to_string(), "169.254.0.0/16");
        assert_eq!(network(32).to_string(), "169.254.0.0");
    }
}
