//! rtnetlink requests sent together and answered before going on, without a runtime.
//!
//! A wire is seven requests in two namespaces. Sent over plain blocking sockets from the one thread
//! that has to enter the namespace anyway, they cost a few system calls; an asynchronous connection
//! would need a runtime and a task of its own inside that thread. Messages are `rtnetlink`'s.

use std::io;

use rtnetlink::{
    packet_core::{
        NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    },
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
        route::RouteType,
    },
    sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE},
};

/// A socket that speaks for the namespace its thread was in when it was opened.
pub(crate) struct Netlink {
    socket: Socket,
}

/// One request and the words for its failure.
pub(crate) struct Request {
    what: &'static str,
    message: RouteNetlinkMessage,
    flags: u16,
}

impl Request {
    /// Makes something; fails with EEXIST if it is there.
    pub(crate) fn create(what: &'static str, message: RouteNetlinkMessage) -> Self {
        Self { what, message, flags: NLM_F_CREATE | NLM_F_EXCL }
    }

    /// Changes or removes something that exists.
    pub(crate) fn change(what: &'static str, message: RouteNetlinkMessage) -> Self {
        Self { what, message, flags: 0 }
    }
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Refusals come without a copy of the request: every answer fits any buffer.
        socket.set_cap_ack(true)?;
        Ok(Self { socket })
    }

    /// Sends all requests in one datagram, in order, and waits for every answer. The kernel goes on
    /// after a refusal; the first one is returned.
    pub(crate) fn ask(&self, requests: Vec<Request>) -> Result<(), (&'static str, io::Error)> {
        let whats: Vec<&'static str> = requests.iter().map(|request| request.what).collect();
        let Some(first) = whats.first().copied() else { return Ok(()) };
        let mut datagram = Vec::new();
        for (number, request) in requests.into_iter().enumerate() {
            let mut message = NetlinkMessage::from(request.message);
            message.header.flags = NLM_F_REQUEST | NLM_F_ACK | request.flags;
            message.header.sequence_number = number as u32;
            message.finalize();
            // Lengths are multiples of four by construction of every attribute.
            let start = datagram.len();
            datagram.resize(start + message.buffer_len(), 0);
            message.serialize(&mut datagram[start..]);
        }
        self.socket.send(&datagram, 0).map_err(|error| (first, error))?;
        let mut refused = None;
        let mut answered = 0;
        while answered < whats.len() {
            let (answers, _) = self.socket.recv_from_full().map_err(|error| (first, error))?;
            let mut rest = answers.as_slice();
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| (first, io::Error::other(error)))?;
                if let NetlinkPayload::Error(error) = answer.payload {
                    answered += 1;
                    let what = whats.get(answer.header.sequence_number as usize).unwrap_or(&first);
                    if error.code.is_some() && refused.is_none() {
                        refused = Some((*what, error.to_io()));
                    }
                }
                let length = (answer.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
            }
        }
        refused.map_or(Ok(()), Err)
    }
}

/// A neighbour that never has to be asked for: address, its hardware address, behind which interface.
pub(crate) fn permanent_neighbour(
    index: u32,
    address: std::net::Ipv4Addr,
    hardware: [u8; 6],
) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unspec;
    message.attributes = vec![
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)),
        NeighbourAttribute::LinkLayerAddress(hardware.to_vec()),
    ];
    RouteNetlinkMessage::NewNeighbour(message)
}
