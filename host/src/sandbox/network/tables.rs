//! Which firewall tables are here, asked of the kernel directly: microseconds instead of the 4 ms of an
//! `nft` listing on the way to a first event.
//!
//! - Whether anybody but lambdabox has some; on most machines nobody has. Only names are read; what a
//!   foreign table means is for `gate` to find out.
//! - Whether one of ours is there, which anybody may have flushed.
//!
//! # Sources
//! `linux/netfilter/nfnetlink.h`, `nf_tables.h`: NFT_MSG_GETTABLE, NFTA_TABLE_NAME;
//! `linux/netfilter.h`: NFPROTO_INET; `linux/netlink.h`: `struct nlmsgerr`.

use std::io;

use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::plan::OWN_TABLES;

const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFT_MSG_NEWTABLE: u16 = NFNL_SUBSYS_NFTABLES << 8;
const NFT_MSG_GETTABLE: u16 = NFT_MSG_NEWTABLE | 1;
const NFTA_TABLE_NAME: u16 = 1;
/// Tables of every family, in a request.
const NFPROTO_UNSPEC: u8 = 0;
/// The family `inet`, which ours are of.
const NFPROTO_INET: u8 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `struct nlmsghdr`: length, type, flags, sequence, port.
const HEADER_BYTES: usize = 16;
/// `struct nfgenmsg`: family, version, resource.
const GENERIC_BYTES: usize = 4;
/// `struct nlattr`: length, type.
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// Bits of an attribute's type that are flags.
const ATTRIBUTE_FLAGS: u16 = 0xC000;

/// True if some table is not lambdabox's own, or if the kernel's answer cannot be understood.
pub(super) fn foreign_table_exists() -> bool {
    ask().unwrap_or(true)
}

/// Whether there is a table of this name in the family `inet`.
pub(super) fn is_there(name: &str) -> io::Result<bool> {
    let socket = open()?;
    // The answer is there when the question has been sent: nothing to wait for, whatever happens.
    socket.set_non_blocking(true)?;
    socket.send(&request(NLM_F_REQUEST, NFPROTO_INET, Some(name))?, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    found(&answer)
}

fn ask() -> io::Result<bool> {
    let socket = open()?;
    socket.send(&request(NLM_F_REQUEST | NLM_F_DUMP, NFPROTO_UNSPEC, None)?, 0)?;
    loop {
        let (answer, _) = socket.recv_from_full()?;
        if let Some(foreign) = look(&answer)? {
            return Ok(foreign);
        }
    }
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// Asks for the tables of a family, or for the one of this name.
fn request(flags: u16, family: u8, name: Option<&str>) -> io::Result<Vec<u8>> {
    // Sequence and port are for those who ask more than once, version and resource are always 0.
    let mut bytes = vec![0; HEADER_BYTES + GENERIC_BYTES];
    if let Some(name) = name {
        let length = ATTRIBUTE_HEADER_BYTES + name.len() + 1;
        bytes.extend(u16::try_from(length).map_err(io::Error::other)?.to_ne_bytes());
        bytes.extend(NFTA_TABLE_NAME.to_ne_bytes());
        bytes.extend(name.as_bytes());
        // The final zero, and zeros up to a multiple of four.
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..6].copy_from_slice(&NFT_MSG_GETTABLE.to_ne_bytes());
    bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    bytes[HEADER_BYTES] = family;
    Ok(bytes)
}

/// What the kernel says of one table: it describes it, or has none of that name.
fn found(answer: &[u8]) -> io::Result<bool> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let kind = answer.get(4..).and_then(|rest| rest.first_chunk()).ok_or_else(malformed)?;
    match u16::from_ne_bytes(*kind) {
        NFT_MSG_NEWTABLE => Ok(true),
        NLMSG_ERROR => {
            let body = answer.get(HEADER_BYTES..).and_then(|rest| rest.first_chunk());
            let code = i32::from_ne_bytes(*body.ok_or_else(malformed)?);
            match io::Error::from_raw_os_error(code.saturating_neg()) {
                error if error.kind() == io::ErrorKind::NotFound => Ok(false),
                error => Err(error),
            }
        }
        _ => Err(malformed()),
    }
}

/// What one datagram says; `None` if there is more to come.
fn look(mut rest: &[u8]) -> io::Result<Option<bool>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    while rest.len() >= HEADER_BYTES {
        let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let kind = u16::from_ne_bytes([rest[4], rest[5]]);
        let message = rest.get(HEADER_BYTES..length).ok_or_else(malformed)?;
        match kind {
            NLMSG_DONE => return Ok(Some(false)),
            NLMSG_ERROR => return Err(malformed()),
            NFT_MSG_NEWTABLE => {
                let name = table_name(message.get(GENERIC_BYTES..).ok_or_else(malformed)?);
                if !name.ok_or_else(malformed)?.starts_with(OWN_TABLES.as_bytes()) {
                    return Ok(Some(true));
                }
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(None)
}

fn table_name(mut attributes: &[u8]) -> Option<&[u8]> {
    loop {
        let length = u16::from_ne_bytes([*attributes.first()?, *attributes.get(1)?]) as usize;
        let kind = u16::from_ne_bytes([*attributes.get(2)?, *attributes.get(3)?]);
        if kind & !ATTRIBUTE_FLAGS == NFTA_TABLE_NAME {
            return attributes.get(4..length);
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn table(name: &str) -> Vec<u8> {
        // An attribute before the name, as newer kernels may send.
        let mut body = vec![2, 0, 0, 0];
        body.extend([8_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
        body.extend([0; 4]);
        body.extend(((4 + name.len() + 1) as u16).to_ne_bytes());
        body.extend(NFTA_TABLE_NAME.to_ne_bytes());
        body.extend(name.as_bytes());
        body.push(0);
        message(NFT_MSG_NEWTABLE, &body)
    }

    #[test]
    fn only_a_table_that_is_not_ours_is_foreign() {
        let done = message(NLMSG_DONE, &[0; 4]);
        for (tables, expected) in [
            (vec![], Some(false)),
            (vec![table("lambdabox_3")], Some(false)),
            (vec![table("lambdabox_3"), table("filter")], Some(true)),
        ] {
            let datagram = [tables.concat(), done.clone()].concat();
            assert_eq!(look(&datagram).unwrap(), expected);
        }
        assert_eq!(look(&table("lambdabox_3")).unwrap(), None, "the dump goes on");
    }

    #[test]
    fn a_table_is_asked_for_by_its_whole_name_and_family() {
        let asked = request(NLM_F_REQUEST, NFPROTO_INET, Some("lambdabox_12")).unwrap();
        let name = [17_u16, NFTA_TABLE_NAME].map(u16::to_ne_bytes).concat();
        let parts = [&[NFPROTO_INET, 0, 0, 0][..], &name, &b"lambdabox_12\0\0\0\0"[..]];
        let body = parts.concat();
        let mut expected = message(NFT_MSG_GETTABLE, &body);
        expected[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
        assert_eq!(asked, expected);
    }

    #[test]
    fn a_table_is_there_or_not_and_any_other_answer_is_neither() {
        let error = |code: i32| message(NLMSG_ERROR, &[code.to_ne_bytes(), [0; 4]].concat());
        assert!(found(&table("lambdabox_3")).unwrap());
        assert!(!found(&error(-2)).unwrap(), "ENOENT");
        assert_eq!(found(&error(-1)).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        for unclear in [error(0), error(i32::MIN), message(NLMSG_DONE, &[0; 4]), vec![], vec![0; 5]]
        {
            assert!(found(&unclear).is_err(), "{unclear:?}");
        }
        assert!(found(&message(NLMSG_ERROR, &[])).is_err(), "cut");
    }

    #[test]
    fn an_answer_that_is_refused_or_cut_is_not_understood() {
        assert!(look(&message(NLMSG_ERROR, &[0; 20])).is_err());
        let whole = table("filter");
        assert!(look(&whole[..whole.len() - 8]).is_err());
    }
}
