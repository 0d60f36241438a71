//! An answer that says how it is to be answered over HTTP: status, headers and cookies as JSON, eight
//! NUL bytes, and the body.
//!
//! # Sources
//! `reference/runtime-api.md` 1.9; `reference/lambda-service.md` section 8.

use bytes::{Bytes, BytesMut};

/// Content type of such an answer.
pub const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";
/// Between prelude and body.
const DELIMITER: [u8; 8] = [0; 8];
/// Longest prelude; API Gateway allows 16 KB, and cookies may make it longer elsewhere.
const MAX_PRELUDE_BYTES: usize = 64 * 1024;

/// Finds the prelude in what comes piece by piece.
#[derive(Debug, Default)]
pub struct PreludeReader {
    held: BytesMut,
}

/// What is known after a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Prelude {
    /// The delimiter has not come.
    Unfinished,
    /// JSON, and the beginning of the body.
    Found {
        /// Text before the delimiter.
        json: Bytes,
        /// Bytes behind it.
        body: Bytes,
    },
    /// There is none within what a prelude may take; these are the bytes so far.
    Missing(Bytes),
}

impl PreludeReader {
    /// Looks at one more piece. After anything but `Unfinished` there is nothing to be asked.
    pub fn push(&mut self, piece: &[u8]) -> Prelude {
        // The delimiter may have begun in what is held.
        let from = self.held.len().saturating_sub(DELIMITER.len() - 1);
        self.held.extend_from_slice(piece);
        let found = self.held[from..].windows(DELIMITER.len()).position(|at| at == DELIMITER);
        match found.map(|at| from + at) {
            Some(end) if end <= MAX_PRELUDE_BYTES => {
                let json = self.held.split_to(end).freeze();
                let body = self.held.split().freeze().slice(DELIMITER.len()..);
                Prelude::Found { json, body }
            }
            None if self.held.len() <= MAX_PRELUDE_BYTES => Prelude::Unfinished,
            _ => Prelude::Missing(self.held.split().freeze()),
        }
    }

    /// What came, when no more comes.
    pub fn into_held(self) -> Bytes {
        self.held.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prelude_is_found_wherever_the_pieces_are_cut() {
        let whole = b"{\"statusCode\":201}\0\0\0\0\0\0\0\0body\0\0\0\0\0\0\0\0more";
        for cut in 0..whole.len() {
            let mut reader = PreludeReader::default();
            let (first, second) = whole.split_at(cut);
            let mut body = BytesMut::new();
            let found = match reader.push(first) {
                Prelude::Unfinished => reader.push(second),
                Prelude::Found { json, body: begun } => {
                    body.extend_from_slice(&begun);
                    body.extend_from_slice(second);
                    Prelude::Found { json, body: body.split().freeze() }
                }
                Prelude::Missing(bytes) => panic!("{bytes:?}"),
            };
            let json = Bytes::from_static(b"{\"statusCode\":201}");
            let body = Bytes::from_static(b"body\0\0\0\0\0\0\0\0more");
            assert_eq!(found, Prelude::Found { json, body }, "cut at {cut}");
        }
    }

    #[test]
    fn a_prelude_that_never_ends_is_given_up() {
        let mut reader = PreludeReader::default();
        assert_eq!(reader.push(&[b'x'; MAX_PRELUDE_BYTES]), Prelude::Unfinished);
        assert!(
            matches!(reader.push(b"y"), Prelude::Missing(bytes) if bytes.len() == MAX_PRELUDE_BYTES + 1)
        );
        let mut reader = PreludeReader::default();
        assert_eq!(reader.push(b"{}"), Prelude::Unfinished);
        assert_eq!(reader.into_held(), "{}");
    }
}
