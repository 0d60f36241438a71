//! The segment that Lambda itself makes of an active function's sampled invocation, sent to the
//! operator's X-Ray daemon: what the function's own subsegments belong to.
//!
//! # Invariants
//! - Nothing waits: a segment that cannot be sent is lost, as datagrams are.
//!
//! # Sources
//! X-Ray developer guide, "segment documents" and "sending trace data to the daemon"; Lambda developer
//! guide, "X-Ray" (the function's segment, with Initialization, Invocation and Overhead).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::model::{
    Function, Report, Sampled, Status, Timeline, TraceHeader, TracingMode, new_span,
};

/// What every datagram begins with.
const HEADER: &str = "{\"format\": \"json\", \"version\": 1}\n";

/// Sends segments to one daemon.
#[derive(Debug)]
pub struct XrayDaemon {
    socket: UdpSocket,
}

impl XrayDaemon {
    /// The daemon at this address.
    ///
    /// # Errors
    /// There is no socket to be had.
    pub fn at(address: SocketAddr) -> io::Result<Self> {
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    pub(super) fn report(&self, function: &Function, report: &Report) {
        let times = report.timeline.as_deref();
        if let Some(segment) = times.and_then(|times| segment(function, report, times)) {
            // Whether anybody listens is the operator's to know.
            let _lost = self.socket.send(format!("{HEADER}{segment}").as_bytes());
        }
    }
}

/// `None` for what is not traced by Lambda itself.
fn segment(function: &Function, report: &Report, times: &Timeline) -> Option<Value> {
    if function.tracing != TracingMode::Active {
        return None;
    }
    let header = TraceHeader::read(times.header.as_deref()?)?;
    if header.sampled != Some(Sampled::Yes) {
        return None;
    }
    let part = |name: &str, from: SystemTime, to: SystemTime| {
        let (start, end) = (seconds(from), seconds(to.max(from)));
        json!({ "id": new_span(), "name": name, "start_time": start, "end_time": end })
    };
    let answered = times.answered.unwrap_or(times.ended);
    let mut parts = Vec::with_capacity(3);
    if let Some(init) = &times.init {
        parts.push(part("Initialization", init.start, init.start + init.duration));
    }
    if let Some(handed) = times.handed {
        parts.push(part("Invocation", handed, answered));
        parts.push(part("Overhead", answered, times.ended));
    }
    let mut segment = Map::new();
    let mut put = |key: &str, value: Value| segment.insert(key.to_owned(), value);
    put("trace_id", header.root.into());
    put("id", times.traced.span.as_str().into());
    if let Some(parent) = &times.traced.parent {
        put("parent_id", parent.as_str().into());
    }
    put("name", function.name.as_str().into());
    put("origin", "AWS::Lambda::Function".into());
    put("start_time", seconds(times.began));
    put("end_time", seconds(times.ended));
    put("fault", (report.status != Status::Success).into());
    put("resource_arn", function.arn().into());
    put("aws", json!({ "account_id": function.account, "function_arn": function.arn() }));
    put("subsegments", parts.into());
    Some(Value::Object(segment))
}

/// Of the epoch, to the microsecond, as X-Ray has it.
fn seconds(at: SystemTime) -> Value {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    (micros as f64 / 1e6).into()
}
