//! The end of one invocation's log, for `LogType=Tail`, and its figures.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::model::{Event, InitPhase, LOG_TAIL_BYTES, Report, RequestId};

/// What was logged since START, or since the beginning of an init that is part of the invocation.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// That init was there, and START was not.
    in_init: bool,
    last: VecDeque<u8>,
    report: Option<Report>,
}

/// Remembers of a log what invocations are told.
pub(super) trait Keep: Send + 'static {
    /// Takes the lines that `event` made in the log.
    fn keep(&mut self, event: &Event, lines: &[u8]);
}

impl Keep for Tail {
    fn keep(&mut self, event: &Event, lines: &[u8]) {
        self.push(event, lines);
    }
}

/// The same where many run at once: a line of the function's is of the invocation that it names.
#[derive(Debug, Default)]
pub(super) struct Tails(HashMap<RequestId, Tail>);

impl Keep for Tails {
    fn keep(&mut self, event: &Event, lines: &[u8]) {
        let named = match event {
            Event::Start { request_id, .. } => {
                self.0.insert(request_id.clone(), Tail::default());
                Some(request_id.clone())
            }
            Event::RuntimeDone { request_id, .. }
            | Event::Fault { request_id, .. }
            | Event::End { request_id } => Some(request_id.clone()),
            Event::Report(report) => Some(report.request_id.clone()),
            Event::Log(line) => named_by(&line.text),
            _ => None,
        };
        if let Some(tail) = named.and_then(|id| self.0.get_mut(&id)) {
            tail.push(event, lines);
        }
    }
}

impl Tails {
    /// What there is of an invocation that is over.
    pub(super) fn take(&mut self, id: &RequestId) -> (Vec<u8>, Option<Report>) {
        self.0.remove(id).unwrap_or_default().take()
    }
}

/// Whose a line in JSON says it is: the two names AWS's loggers and clients have for that.
fn named_by(line: &[u8]) -> Option<RequestId> {
    if !line.starts_with(b"{") {
        return None;
    }
    let fields: Value = serde_json::from_slice(line).ok()?;
    let id = fields.get("requestId").or_else(|| fields.get("AWSRequestId"))?.as_str()?;
    Some(RequestId(id.to_owned()))
}

impl Tail {
    /// Takes the lines that `event` made in the log.
    pub(super) fn push(&mut self, event: &Event, lines: &[u8]) {
        match event {
            Event::InitStart { phase: InitPhase::Invoke } => {
                *self = Self { in_init: true, ..Self::default() };
            }
            Event::Start { .. } if std::mem::take(&mut self.in_init) => {}
            Event::Start { .. } => *self = Self::default(),
            Event::Report(report) => self.report = Some(report.clone()),
            _ => {}
        }
        let lines = &lines[lines.len().saturating_sub(LOG_TAIL_BYTES)..];
        let over = (self.last.len() + lines.len()).saturating_sub(LOG_TAIL_BYTES);
        self.last.drain(..over);
        self.last.extend(lines);
    }

    /// Whether REPORT was there.
    pub(super) fn has_report(&self) -> bool {
        self.report.is_some()
    }

    /// The tail and the figures; no figures unless REPORT was there.
    pub(super) fn take(&mut self) -> (Vec<u8>, Option<Report>) {
        let Self { last, report, .. } = std::mem::take(self);
        (last.into(), report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LogLine, LogStream, RequestId};

    fn start() -> Event {
        Event::Start {
            request_id: RequestId("a".to_owned()),
            version: "$LATEST".to_owned(),
            tenant_id: None,
        }
    }

    fn line(text: &'static [u8]) -> Event {
        Event::Log(LogLine { stream: LogStream::Output, text: text.into() })
    }

    #[test]
    fn only_the_last_4_kib_are_kept_however_they_came() {
        let mut tail = Tail::default();
        tail.push(&start(), b"START\n");
        for _ in 0..100 {
            tail.push(&line(b""), &[b'x'; 99]);
        }
        tail.push(&line(b""), b"last");
        let (last, report) = tail.take();
        assert_eq!(last.len(), LOG_TAIL_BYTES);
        assert!(last.ends_with(b"xlast"));
        assert!(report.is_none());
        tail.push(&line(b""), &[b'y'; 10_000]);
        assert_eq!(tail.take().0, vec![b'y'; LOG_TAIL_BYTES]);
    }

    #[test]
    fn what_was_written_between_invocations_is_not_the_next_ones() {
        let mut tail = Tail::default();
        tail.push(&line(b"idle"), b"idle\n");
        tail.push(&start(), b"START\n");
        tail.push(&line(b"mine"), b"mine\n");
        assert_eq!(tail.take().0, b"START\nmine\n");
        tail.push(&Event::InitStart { phase: InitPhase::Invoke }, b"");
        tail.push(&line(b"init"), b"init\n");
        tail.push(&start(), b"START\n");
        tail.push(&line(b"mine"), b"mine\n");
        assert_eq!(tail.take().0, b"init\nSTART\nmine\n");
    }
}
