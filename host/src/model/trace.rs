//! X-Ray's trace header, and how an invocation stands in its invoker's trace.
//!
//! # Sources
//! `reference/runtime-api.md` 1.10; X-Ray developer guide, "tracing header" and "sampling rules".

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// `TracingConfig.Mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TracingMode {
    /// The invoker's header is passed on as it is.
    #[default]
    PassThrough,
    /// The function is a segment of its own, sampled if nobody has decided.
    Active,
}

impl From<&str> for TracingMode {
    fn from(name: &str) -> Self {
        match name {
            "Active" => Self::Active,
            _ => Self::PassThrough,
        }
    }
}

/// Whether a trace is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// An invocation in its invoker's trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// When it was accepted.
    pub accepted: SystemTime,
    /// The invoker's span, 16 hex digits, if it named one.
    pub parent: Option<String>,
    /// The invocation's own, 16 hex digits.
    pub span: String,
}

impl Traced {
    /// One that nobody else has a part in.
    pub fn alone(accepted: SystemTime) -> Self {
        Self { accepted, parent: None, span: new_span() }
    }
}

/// X-Ray's header in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceHeader<'a> {
    /// `1-<8 hex digits of the time>-<24 hex digits>`.
    pub root: &'a str,
    /// Whose child comes next.
    pub parent: Option<&'a str>,
    /// If somebody has decided.
    pub sampled: Option<Sampled>,
    lineage: Option<&'a str>,
}

impl<'a> TraceHeader<'a> {
    /// The parts in any order; `None` without a root.
    pub fn read(text: &'a str) -> Option<Self> {
        let part = |name: &str| {
            let mut parts = text.split(';').filter_map(|part| part.trim().split_once('='));
            parts.find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
        };
        let sampled = match part("Sampled") {
            Some("1") => Some(Sampled::Yes),
            Some("0") => Some(Sampled::No),
            _ => None,
        };
        let (parent, lineage) = (part("Parent"), part("Lineage"));
        Some(Self { root: part("Root")?, parent, sampled, lineage })
    }

    /// The root as OpenTelemetry's trace id, 32 hex digits, if it is well formed.
    pub fn trace_id(&self) -> Option<String> {
        let id = self.root.strip_prefix("1-")?.replacen('-', "", 1);
        (id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(id)
    }
}

/// The header that a function gets for what its invoker gave, and where that puts the invocation.
/// `decide` is asked where nobody has decided whether the trace is kept.
pub fn passed_on(
    given: Option<&str>,
    accepted: SystemTime,
    mode: TracingMode,
    arn: &str,
    decide: impl FnOnce() -> Sampled,
) -> (String, Traced) {
    let read = given.and_then(TraceHeader::read);
    let root = if read.is_none() { new_root(accepted) } else { String::new() };
    let nobodys = TraceHeader { root: &root, parent: None, sampled: None, lineage: None };
    let header = read.unwrap_or(nobodys);
    let parent = header.parent.map(str::to_owned);
    let traced = Traced { accepted, parent, span: new_span() };
    if let (TracingMode::PassThrough, Some(given), Some(_), Some(_)) =
        (mode, given, header.parent, header.sampled)
    {
        return (given.to_owned(), traced);
    }
    let parent = match (mode, header.parent) {
        (TracingMode::PassThrough, Some(parent)) => parent,
        _ => &traced.span,
    };
    let sampled = header.sampled.unwrap_or_else(|| match mode {
        TracingMode::PassThrough => Sampled::No,
        TracingMode::Active => decide(),
    });
    let sampled = u8::from(sampled == Sampled::Yes);
    let lineage = header.lineage.map_or_else(|| new_lineage(arn), str::to_owned);
    let root = header.root;
    (format!("Root={root};Parent={parent};Sampled={sampled};Lineage={lineage}"), traced)
}

/// A trace's root, new at this time.
pub fn new_root(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let random = Uuid::new_v4().simple().to_string();
    format!("1-{:08x}-{}", since.as_secs(), &random[..24])
}

/// A span's id.
pub fn new_span() -> String {
    let mut random = Uuid::new_v4().simple().to_string();
    random.truncate(16);
    random
}

/// How AWS tells functions that invoke one another: whose hash, and how often it was there.
fn new_lineage(arn: &str) -> String {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(arn));
    format!("1:{a:02x}{b:02x}{c:02x}{d:02x}:0")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GIVEN: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8";

    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(0x5759_e988)
    }

    fn of(given: Option<&str>, mode: TracingMode) -> (String, Traced) {
        passed_on(given, at(), mode, "arn:f", || Sampled::Yes)
    }

    #[test]
    fn a_whole_header_is_passed_through_as_it_is() {
        for given in [
            format!("{GIVEN};Sampled=1"),
            format!("Sampled=0;{GIVEN};Lineage=25:a87bd80c:1;Self=x"),
        ] {
            let (header, traced) = of(Some(&given), TracingMode::PassThrough);
            assert_eq!(header, given);
            assert_eq!(traced.parent.as_deref(), Some("53995c3f42cd8ad8"));
            assert!(!header.contains(&traced.span));
        }
    }

    #[test]
    fn what_is_missing_is_added_and_nothing_is_sampled_unasked() {
        let (header, traced) = of(None, TracingMode::PassThrough);
        let read = TraceHeader::read(&header).unwrap();
        assert!(header.starts_with("Root=1-5759e988-"), "{header}");
        assert_eq!((read.parent, read.sampled), (Some(&*traced.span), Some(Sampled::No)));
        assert_eq!(traced.parent, None);
        assert_eq!(read.trace_id().unwrap().len(), 32);
        let lineage = read.lineage.unwrap();
        assert!(lineage.starts_with("1:") && lineage.ends_with(":0") && lineage.len() == 12);
        let (header, traced) = of(Some("Root=1-a-b"), TracingMode::PassThrough);
        let rest = format!("Root=1-a-b;Parent={};Sampled=0;Lineage={lineage}", traced.span);
        assert_eq!(header, rest);
        assert_eq!(TraceHeader::read(&header).unwrap().trace_id(), None);
        assert_eq!(TraceHeader::read("Parent=a;Root="), None);
    }

    #[test]
    fn an_active_function_is_a_segment_of_its_own_and_keeps_who_decided() {
        for (end, sampled, lineage) in [
            (";Sampled=0;Lineage=2:a87bd80c:1", 0, "2:a87bd80c:1"),
            (";Sampled=1;Lineage=2:a87bd80c:1", 1, "2:a87bd80c:1"),
            (";Sampled=?;Lineage=2:a87bd80c:1", 1, "2:a87bd80c:1"),
        ] {
            let (header, traced) = of(Some(&format!("{GIVEN}{end}")), TracingMode::Active);
            let root = "1-5759e988-bd862e3fe1be46a994272793";
            let span = &traced.span;
            let expected = format!("Root={root};Parent={span};Sampled={sampled};Lineage={lineage}");
            assert_eq!(header, expected);
            assert_eq!(traced.parent.as_deref(), Some("53995c3f42cd8ad8"));
        }
    }
}
