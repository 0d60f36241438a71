//! Whether anybody but lambdabox has firewall tables here, asked of the kernel directly.
//!
//! On most machines nobody has, and then the 4 ms of an `nft` listing are not spent on the way to a
//! first event. Only names are read; what a foreign table means is for `gate` to find out.
//!
//! # Sources
//! `linux/netfilter/nfnetlink.h`, `nf_tables.h`: NFT_MSG_GETTABLE, NFTA_TABLE_NAME.

use std::io;

use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::plan::OWN_TABLES;

const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFT_MSG_NEWTABLE: u16 = NFNL_SUBSYS_NFTABLES << 8;
const NFT_MSG_GETTABLE: u16 = NFT_MSG_NEWTABLE | 1;
const NFTA_TABLE_NAME: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `struct nlmsghdr`: length, type, flags, sequence, port.
const HEADER_BYTES: usize = 16;
/// `struct nfgenmsg`: family, version, resource.
const GENERIC_BYTES: usize = 4;
/// Bits of an attribute's type that are flags.
const ATTRIBUTE_FLAGS: u16 = 0xC000;

/// True if some table is not lambdabox's own, or if the kernel's answer cannot be understood.
pub(super) fn foreign_table_exists() -> bool {
    ask().unwrap_or(true)
}

fn ask() -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let length = u32::try_from(HEADER_BYTES + GENERIC_BYTES).map_err(io::Error::other)?;
    let mut request = length.to_ne_bytes().to_vec();
    request.extend(NFT_MSG_GETTABLE.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // Sequence and port are for those who ask more than once; the family is all of them.
    request.resize(HEADER_BYTES + GENERIC_BYTES, 0);
    socket.send(&request, 0)?;
    loop {
        let (answer, _) = socket.recv_from_full()?;
        if let Some(foreign) = look(&answer)? {
            return Ok(foreign);
        }
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
    fn an_answer_that_is_refused_or_cut_is_not_understood() {
        assert!(look(&message(NLMSG_ERROR, &[0; 20])).is_err());
        let whole = table("filter");
        assert!(look(&whole[..whole.len() - 8]).is_err());
    }
}
