//! What a lease file says: one JSON object a line, appended before the thing is made.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// First line: who holds the lease. Written before anything is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Process id of the host, for people; liveness is told by the lock alone.
    pub pid: u32,
    /// Its work directory.
    pub work_dir: PathBuf,
}

/// Every further line: a thing that no name or lock tells of, such as a firewall rule in somebody
/// else's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Which module understands `name`.
    pub kind: String,
    /// What it needs to undo it.
    pub name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Facts(Facts),
    Made(Made),
}

pub(super) fn facts_line(facts: &Facts) -> serde_json::Result<Vec<u8>> {
    line(&Line::Facts(facts.clone()))
}

pub(super) fn made_line(made: &Made) -> serde_json::Result<Vec<u8>> {
    line(&Line::Made(made.clone()))
}

fn line(line: &Line) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}

/// Reads a lease file of any age and state. What is not a whole line of ours is passed over: the
/// instance ended while writing it, so the thing it was to name was never made.
pub(super) fn parse(text: &[u8]) -> (Option<Facts>, Vec<Made>) {
    let (mut facts, mut made) = (None, Vec::new());
    let whole = text.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n"));
    for line in whole {
        match serde_json::from_slice(line) {
            Ok(Line::Facts(f)) => facts = facts.or(Some(f)),
            Ok(Line::Made(m)) => made.push(m),
            Err(_) => continue,
        }
    }
    (facts, made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Vec<u8> {
        let facts = Facts { pid: 7, work_dir: "/data/run/a.0".into() };
        let made = Made { kind: "nft".to_owned(), name: "table\n1".to_owned() };
        [facts_line(&facts).unwrap(), made_line(&made).unwrap()].concat()
    }

    #[test]
    fn a_file_cut_anywhere_gives_what_was_written_whole() {
        let text = text();
        let first_end = text.iter().position(|b| *b == b'\n').unwrap() + 1;
        for cut in 0..=text.len() {
            let (facts, made) = parse(&text[..cut]);
            assert_eq!(facts.is_some(), cut >= first_end, "cut at {cut}");
            assert_eq!(made.len(), usize::from(cut == text.len()), "cut at {cut}");
        }
    }

    #[test]
    fn garbage_is_no_fact() {
        let (facts, made) = parse(b"\0\0\xff\n{\"facts\":3}\n{}\nnull\n");
        assert_eq!((facts, made.len()), (None, 0));
    }
}
