//! Hears that the machine's firewall changed, and has our rules looked at.
//!
//! The kernel tells of each change by netlink. What changed is not read: to ask for our table costs
//! less than to understand the message, and a message may be lost.
//!
//! # Sources
//! `linux/netfilter/nfnetlink.h` (NFNLGRP_NFTABLES); netlink(7) for ENOBUFS.

use std::{io, os::fd::OwnedFd, sync::Arc};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind,
        netlink::{NETFILTER, SocketAddrNetlink},
        recv, socket_with,
    },
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::AbortHandle,
};

use super::standing::StandingRules;
use crate::sandbox::channel::watched;

/// The multicast group of nf_tables, counted from 1.
const NFNLGRP_NFTABLES: u32 = 7;

/// Messages taken before the next look: a ruleset of thousands of rules comes in many.
const MESSAGES_AT_ONCE: usize = 64;

/// Keeps the rules in force until dropped.
#[derive(Debug)]
pub(super) struct Watch {
    task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens in the network namespace of the calling thread, and has the rules kept from now on.
pub(super) fn spawn(rules: Arc<StandingRules>) -> io::Result<Watch> {
    let changes = watched(listen()?)?;
    let task = tokio::spawn(async move {
        loop {
            // First for what happened before anybody listened.
            rules.keep().await;
            // Fails only when the runtime ends.
            if next(&changes).await.is_err() {
                return;
            }
        }
    });
    Ok(Watch { task: task.abort_handle() })
}

fn listen() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?;
    // Port 0 is any; groups are bits.
    bind(&socket, &SocketAddrNetlink::new(0, 1 << (NFNLGRP_NFTABLES - 1)))?;
    Ok(socket)
}

/// Ends when there was a change, or there may have been one.
async fn next(changes: &AsyncFd<OwnedFd>) -> io::Result<()> {
    let mut ready = changes.ready(Interest::READABLE | Interest::ERROR).await?;
    for _ in 0..MESSAGES_AT_ONCE {
        // A message that does not fit is cut, which is as good.
        match recv(ready.get_inner(), &mut [0_u8; 16], RecvFlags::empty()) {
            // No buffer: messages were lost, and a look is due all the same.
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
            Err(_) => {
                ready.clear_ready();
                break;
            }
        }
    }
    Ok(())
}
