//! The framed log descriptor: records that may hold newlines.
//!
//! A function can write anything into it, so nothing is trusted: bytes that begin no frame are
//! shown as text until one begins again, and a length is never allocated ahead of its bytes.
//!
//! # Sources
//! `reference/runtime-api.md` 6.8.

use bytes::{Buf, Bytes, BytesMut};

use super::lines::{Lines, MAX_LINE_BYTES, boundary};

/// Upper half of every frame's type.
const MAGIC: [u8; 2] = [0xA5, 0x5A];
/// Bits of the lower half that are in use: level up to 6, timestamp, text.
const MAX_TYPE: u16 = 6 << 2 | 0b11;
const HAS_TIMESTAMP: u16 = 0b10;
const TYPE_BYTES: usize = 4;
const LENGTH_BYTES: usize = 4;
const TIMESTAMP_BYTES: usize = 8;
/// Said once when a process writes something else.
const NOTICE: &str = "lambdabox: the log descriptor carried bytes that are no frame; shown as text";

/// Takes frames apart. Holds at most one piece of [`MAX_LINE_BYTES`] between calls.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    unread: BytesMut,
    /// What is missing of the message that `unread` begins with.
    missing: Option<usize>,
    /// The frame's first part was given out already, being larger than a log event may be.
    split: bool,
    stray: Lines,
    noticed: bool,
}

impl Frames {
    /// Adds what was read and gives out every record that is complete now.
    pub(crate) fn push(&mut self, data: &[u8], mut record: impl FnMut(Bytes)) {
        self.unread.extend_from_slice(data);
        while self.step(&mut record) {}
    }

    /// Gives out what is incomplete, for the process is gone.
    pub(crate) fn flush(&mut self, mut record: impl FnMut(Bytes)) {
        if self.missing.take().is_none() && !self.unread.is_empty() {
            let rest = self.unread.split();
            self.stray(&rest, &mut record);
        }
        self.stray.flush(&mut record);
        if !self.unread.is_empty() {
            record(self.unread.split().freeze());
        }
    }

    /// One step of progress; false when more bytes are needed.
    fn step(&mut self, record: &mut impl FnMut(Bytes)) -> bool {
        match self.missing {
            Some(missing) => self.message(missing, record),
            None => self.header(record),
        }
    }

    fn message(&mut self, missing: usize, record: &mut impl FnMut(Bytes)) -> bool {
        if self.unread.len() < missing && self.unread.len() <= MAX_LINE_BYTES {
            return false;
        }
        if missing > MAX_LINE_BYTES {
            if self.unread.len() <= MAX_LINE_BYTES {
                return false;
            }
            let cut = boundary(&self.unread);
            record(self.unread.split_to(cut).freeze());
            self.missing = Some(missing - cut);
            self.split = true;
            return true;
        }
        // An empty rest of a split message is no record of its own; an empty message is.
        let rest = self.unread.split_to(missing).freeze();
        if !(self.split && rest.is_empty()) {
            record(rest);
        }
        (self.missing, self.split) = (None, false);
        true
    }

    fn header(&mut self, record: &mut impl FnMut(Bytes)) -> bool {
        let begins = self.unread.windows(TYPE_BYTES).position(is_type);
        match begins {
            Some(at) => {
                let garbage = self.unread.split_to(at);
                self.stray(&garbage, record);
                self.stray.flush(&mut *record);
            }
            None => {
                // The last bytes may be the first of a type.
                let tail = (0..TYPE_BYTES).rev().find(|tail| self.may_begin_type(*tail));
                let garbage = self.unread.split_to(self.unread.len() - tail.unwrap_or(0));
                self.stray(&garbage, record);
                return false;
            }
        }
        let timestamp = match u16::from_be_bytes([self.unread[2], self.unread[3]]) {
            bits if bits & HAS_TIMESTAMP != 0 => TIMESTAMP_BYTES,
            _ => 0,
        };
        if self.unread.len() < TYPE_BYTES + LENGTH_BYTES + timestamp {
            return false;
        }
        self.unread.advance(TYPE_BYTES);
        // 32 bits fit every platform this runs on.
        self.missing = Some(self.unread.get_u32() as usize);
        self.unread.advance(timestamp);
        true
    }

    fn may_begin_type(&self, tail: usize) -> bool {
        let Some(at) = self.unread.len().checked_sub(tail) else { return false };
        let tail = &self.unread[at..];
        let prefix = tail.len().min(MAGIC.len());
        tail[..prefix] == MAGIC[..prefix] && tail.get(2).is_none_or(|byte| *byte == 0)
    }

    fn stray(&mut self, garbage: &[u8], record: &mut impl FnMut(Bytes)) {
        if garbage.is_empty() {
            return;
        }
        if !self.noticed {
            self.noticed = true;
            record(Bytes::from_static(NOTICE.as_bytes()));
        }
        self.stray.push(garbage, &mut *record);
    }
}

fn is_type(window: &[u8]) -> bool {
    let [first, second, high, low] = *window else { return false };
    [first, second] == MAGIC && u16::from_be_bytes([high, low]) <= MAX_TYPE
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u32 = 0xA55A_0003;
    const LEGACY: u32 = 0xA55A_0001;

    fn frame(kind: u32, message: &[u8]) -> Vec<u8> {
        let mut frame = kind.to_be_bytes().to_vec();
        frame.extend((message.len() as u32).to_be_bytes());
        if kind & 0b10 != 0 {
            frame.extend(1_700_000_000_000_000_u64.to_be_bytes());
        }
        frame.extend(message);
        frame
    }

    fn records(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        for piece in pieces {
            frames.push(piece, |record| out.push(record));
        }
        frames.flush(|record| out.push(record));
        out
    }

    #[test]
    fn a_frame_is_one_record_whatever_newlines_it_holds() {
        let mut bytes = frame(TEXT, b"two\nlines\n");
        bytes.extend(frame(0xA55A_0002, b"{}"));
        bytes.extend(frame(0xA55A_000F, b""));
        bytes.extend(frame(LEGACY, b"old"));
        let expected = ["two\nlines\n", "{}", "", "old"];
        assert_eq!(records(&[&bytes]), expected);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(records(&single), expected, "byte by byte");
    }

    #[test]
    fn garbage_is_shown_as_text_and_the_next_frame_is_found() {
        let mut bytes = b"plain\ntext\xA5".to_vec();
        bytes.extend(frame(TEXT, b"ok"));
        bytes.extend(b"\xA5\x5A\x00\x1C more");
        bytes.extend(frame(TEXT, b"ok"));
        let expected: [&[u8]; 6] =
            [NOTICE.as_bytes(), b"plain", b"text\xA5", b"ok", b"\xA5\x5A\x00\x1C more", b"ok"];
        assert_eq!(records(&[&bytes]), expected);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(records(&single), expected, "byte by byte");
    }

    #[test]
    fn a_length_of_gigabytes_holds_no_memory_and_is_given_out_in_pieces() {
        let mut frames = Frames::default();
        let mut sizes = Vec::new();
        let mut head = LEGACY.to_be_bytes().to_vec();
        head.extend(u32::MAX.to_be_bytes());
        frames.push(&head, |record| sizes.push(record.len()));
        for _ in 0..100 {
            frames.push(&[b'x'; 10_000], |record| sizes.push(record.len()));
            assert!(frames.unread.len() <= MAX_LINE_BYTES);
        }
        assert_eq!(sizes, [MAX_LINE_BYTES; 3]);
    }

    #[test]
    fn a_record_of_the_limit_is_whole_and_a_longer_one_has_no_empty_rest() {
        let message = vec![b'x'; MAX_LINE_BYTES];
        assert_eq!(records(&[&frame(TEXT, &message)]), [&message[..]]);
        let message = vec![b'x'; 2 * MAX_LINE_BYTES];
        let sizes: Vec<usize> = records(&[&frame(TEXT, &message)]).iter().map(Bytes::len).collect();
        assert_eq!(sizes, [MAX_LINE_BYTES; 2]);
    }

    #[test]
    fn what_is_incomplete_at_the_end_is_kept() {
        let whole = frame(TEXT, b"cut off");
        let records_of = |bytes: &[u8]| records(&[bytes]);
        assert_eq!(records_of(&whole[..whole.len() - 3]), ["cut "]);
        assert_eq!(records_of(&whole[..6])[1], whole[..6]);
        assert!(records_of(b"").is_empty());
    }
}
