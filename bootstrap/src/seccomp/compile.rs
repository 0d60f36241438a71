//! From the table to a classic BPF program: a search tree over call numbers, argument checks as leaves.
//!
//! # Why not the `seccompiler` crate
//! It tests every number in turn and has one answer per filter: our table would be two filters of
//! about a thousand instructions together. The kernel runs a new filter once for every number to fill
//! its cache of always-allowed calls, so installing costs the length of the *path* times 450. Measured:
//! 705 instructions in line 328 µs, this tree, then of 123, 29 µs (performance.md 2.11 has 701 µs
//! for 360 on a slower machine). Here neighbours with the same answer become one range, and ranges a
//! tree, balanced by how many numbers lie on each side because that warm-up visits each once.
//!
//! # Invariants
//! - Every path ends in a return; every jump goes forward by at most 255 (BPF's limit), which holds
//!   because the whole program is shorter than that: a test says so.
//! - Only instructions the kernel can follow in that warm-up come before an argument is read
//!   (`seccomp_is_const_allow`): so an allowed call that is not looked at costs one bit test.
//!
//! # How
//! Jumps only go forward, so the program is written from its last instruction to its first: whatever
//! a jump names exists already, and its distance is known.
//!
//! # Sources
//! linux/filter.h, linux/seccomp.h, `kernel/seccomp.c`.

use std::fmt;
use std::mem::offset_of;

use super::table::{ABSENT, ARCHITECTURE, rules};
use super::verdict::{Look, Verdict};

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A program ready for [`crate::sys::install_seccomp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The instructions, in the order the kernel runs them.
    pub program: Vec<Instruction>,
}

/// The filter every function runs under. Deterministic; a few microseconds.
pub fn filter() -> Filter {
    Filter { program: compile(&ranges(&rules()), ARCHITECTURE) }
}

/// The filter in one line, for the printed plan.
pub fn describe() -> impl fmt::Display {
    let rules = rules();
    let count = |wanted: fn(&Verdict) -> bool| rules.iter().filter(|(_, v)| wanted(v)).count();
    format!(
        "{} system calls allowed, {} by their arguments, {} refused, others absent ({} instructions)",
        count(|verdict| matches!(verdict, Verdict::Allow)),
        count(|verdict| matches!(verdict, Verdict::Look(_))),
        count(|verdict| matches!(verdict, Verdict::Errno(_))),
        filter().program.len(),
    )
}

/// Numbers from `start` up to the next range's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u32,
    verdict: Verdict,
}

/// Covers every number from 0 to `u32::MAX`: gaps and the end get [`ABSENT`], equal neighbours merge.
fn ranges(rules: &[(u32, Verdict)]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    let mut add = |start, verdict| {
        if ranges.last().is_none_or(|last: &Range| last.verdict != verdict) {
            ranges.push(Range { start, verdict });
        }
    };
    let mut next = 0;
    for (number, verdict) in rules {
        if *number > next {
            add(next, ABSENT);
        }
        add(*number, *verdict);
        next = number + 1;
    }
    add(next, ABSENT);
    ranges
}

fn compile(ranges: &[Range], architecture: u32) -> Vec<Instruction> {
    let mut writer = Writer { reversed: Vec::new(), blocks: Vec::new() };
    let foreign = writer.block(ABSENT);
    let leaves: Vec<(u32, Label)> =
        ranges.iter().map(|range| (range.start, writer.block(range.verdict))).collect();
    writer.tree(&leaves);
    let native = writer.load(offset_of!(libc::seccomp_data, nr));
    writer.branch(libc::BPF_JEQ, architecture, native, foreign);
    writer.load(offset_of!(libc::seccomp_data, arch));
    writer.reversed.reverse();
    writer.reversed
}

/// An instruction already written, counted from the end of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Label(usize);

struct Writer {
    /// The program, last instruction first.
    reversed: Vec<Instruction>,
    /// What was written for a verdict, so that each is written once.
    blocks: Vec<(Verdict, Label)>,
}

impl Writer {
    /// The code that gives this answer.
    fn block(&mut self, verdict: Verdict) -> Label {
        if let Some((_, label)) = self.blocks.iter().find(|(written, _)| *written == verdict) {
            return *label;
        }
        let label = match verdict {
            Verdict::Allow => self.answer(libc::SECCOMP_RET_ALLOW),
            Verdict::Errno(errno) => self.answer(libc::SECCOMP_RET_ERRNO | errno as u32),
            Verdict::Look(look) => self.look(look),
        };
        self.blocks.push((verdict, label));
        label
    }

    /// Reads the low half of one argument (both architectures are little-endian) and compares.
    fn look(&mut self, look: &Look) -> Label {
        let mut label = self.block(look.otherwise);
        for (value, verdict) in look.cases.iter().rev() {
            let found = self.block(*verdict);
            label = self.branch(libc::BPF_JEQ, *value, found, label);
        }
        if look.mask != u32::MAX {
            self.write(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, look.mask, 0, 0);
        }
        self.load(offset_of!(libc::seccomp_data, args) + usize::from(look.argument) * 8)
    }

    /// A search tree over ranges, given by their first numbers. Needs at least two of them, so that
    /// its root is the instruction written last, which the one before it in the program runs into.
    fn tree(&mut self, leaves: &[(u32, Label)]) -> Label {
        if let [(_, only)] = leaves {
            return *only;
        }
        let (first, last) = (leaves[0].0, leaves[leaves.len() - 1].0);
        // The split that best halves the numbers, not the ranges. The last range has no end of interest.
        let middle = (1..leaves.len())
            .min_by_key(|at| (leaves[*at].0 - first).abs_diff(last + 1 - leaves[*at].0))
            .expect("two leaves have a split between them");
        let (low, high) = leaves.split_at(middle);
        let high_tree = self.tree(high);
        let low_tree = self.tree(low);
        self.branch(libc::BPF_JGE, high[0].0, high_tree, low_tree)
    }

    fn branch(&mut self, comparison: u32, value: u32, yes: Label, no: Label) -> Label {
        let here = self.reversed.len();
        let skip = |to: Label| {
            u8::try_from(here - to.0 - 1).expect("the table's program is under 256 instructions")
        };
        self.write(libc::BPF_JMP | comparison | libc::BPF_K, value, skip(yes), skip(no))
    }

    fn load(&mut self, offset: usize) -> Label {
        self.write(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32, 0, 0)
    }

    fn answer(&mut self, value: u32) -> Label {
        self.write(libc::BPF_RET | libc::BPF_K, value, 0, 0)
    }

    fn write(&mut self, code: u32, k: u32, jt: u8, jf: u8) -> Label {
        self.reversed.push(Instruction { code: code as u16, jt, jf, k });
        Label(self.reversed.len() - 1)
    }
}

#[cfg(test)]
mod tests;
