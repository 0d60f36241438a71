//! Bytes to lines, in bounded memory.
//!
//! # Sources
//! `reference/runtime-api.md` 3.5.

use bytes::{Bytes, BytesMut};

/// Longest line of a log: CloudWatch's largest event (runtime-api.md 3.5). Longer ones are split.
pub(crate) const MAX_LINE_BYTES: usize = 256 * 1024;
/// Longest character of UTF-8 but one byte: how far a split may move to keep one whole.
const MAX_CONTINUATION_BYTES: usize = 3;

/// Collects the current line. Holds at most [`MAX_LINE_BYTES`] between calls.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: BytesMut,
    /// How much of `partial` is known to hold no newline.
    searched: usize,
}

impl Lines {
    /// Adds what was read and gives out every line that is complete now, without its newline.
    pub(crate) fn push(&mut self, data: &[u8], mut line: impl FnMut(Bytes)) {
        self.partial.extend_from_slice(data);
        loop {
            let newline = self.partial[self.searched..].iter().position(|byte| *byte == b'\n');
            let end = newline.map(|at| self.searched + at);
            if end.unwrap_or(self.partial.len()) > MAX_LINE_BYTES {
                let cut = boundary(&self.partial);
                line(self.partial.split_to(cut).freeze());
                self.searched = 0;
            } else if let Some(end) = end {
                line(self.partial.split_to(end).freeze());
                let _newline = self.partial.split_to(1);
                self.searched = 0;
            } else {
                self.searched = self.partial.len();
                return;
            }
        }
    }

    /// Gives out the line that has no newline yet.
    pub(crate) fn flush(&mut self, mut line: impl FnMut(Bytes)) {
        if !self.partial.is_empty() {
            line(self.partial.split().freeze());
        }
        self.searched = 0;
    }
}

/// Where to split a line that is too long: not inside a character, if it is text.
pub(crate) fn boundary(text: &[u8]) -> usize {
    let is_inside = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let candidates = MAX_LINE_BYTES - MAX_CONTINUATION_BYTES..=MAX_LINE_BYTES;
    candidates.rev().find(|at| !is_inside(at)).unwrap_or(MAX_LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> (Vec<Bytes>, usize) {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.push(piece, |line| out.push(line));
        }
        let complete = out.len();
        lines.flush(|line| out.push(line));
        (out, complete)
    }

    #[test]
    fn lines_end_at_newlines_wherever_the_reads_fell() {
        let (lines, complete) = split(&[b"a", b"b\n\nc\r\nd", b"", b"e"]);
        assert_eq!(lines, ["ab", "", "c\r", "de"]);
        assert_eq!(complete, 3);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        assert_eq!(split(&[b"\xff\0\x80\n"]).0, [&b"\xff\0\x80"[..]]);
    }

    #[test]
    fn a_line_of_the_limit_is_whole_and_a_longer_one_is_split() {
        let mut limit = vec![b'x'; MAX_LINE_BYTES];
        limit.push(b'\n');
        assert_eq!(split(&[&limit]).0.iter().map(Bytes::len).collect::<Vec<_>>(), [MAX_LINE_BYTES]);
        let long = vec![b'x'; 2 * MAX_LINE_BYTES + 5];
        let (lines, complete) = split(&[&long]);
        assert_eq!(
            lines.iter().map(Bytes::len).collect::<Vec<_>>(),
            [MAX_LINE_BYTES, MAX_LINE_BYTES, 5]
        );
        assert_eq!(complete, 2);
    }

    #[test]
    fn a_split_keeps_characters_whole() {
        let text = format!("x{}", "é".repeat(MAX_LINE_BYTES));
        let (lines, _) = split(&[text.as_bytes()]);
        assert!(lines.iter().all(|line| std::str::from_utf8(line).is_ok()));
        assert_eq!(lines.concat(), text.as_bytes());
    }

    #[test]
    fn memory_stays_bounded_without_newlines() {
        let mut lines = Lines::default();
        let mut bytes = 0;
        for _ in 0..1_000 {
            lines.push(&[b'x'; 10_000], |line| bytes += line.len());
            assert!(lines.partial.len() <= MAX_LINE_BYTES);
        }
        assert!(bytes > 9_000_000);
    }
}
