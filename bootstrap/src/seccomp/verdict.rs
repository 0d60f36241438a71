//! What the filter answers to a call, as data that can be judged here and compiled for the kernel.
//!
//! # Invariants
//! - A [`Look`] reads the low 32 bits of one argument, because each argument looked at is a 32-bit
//!   (or narrower) type in the kernel, which drops the rest itself. Comparing all 64 bits would let a
//!   caller past with a high bit set (CVE-2019-10063).
//! - Only numbers and flags are looked at, never what a pointer points to: that can change after.
//!
//! # Sources
//! seccomp(2): `struct seccomp_data`, `SECCOMP_RET_ALLOW`, `SECCOMP_RET_ERRNO`.

use libc::c_int;

/// The answer to one system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The kernel goes on with the call.
    Allow,
    /// The call is not made and returns this error. 0 means: not made, and success is reported.
    Errno(c_int),
    /// One argument decides.
    Look(&'static Look),
}

/// How one argument decides.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Which argument, from 0.
    pub(super) argument: u8,
    /// The bits that count.
    pub(super) mask: u32,
    /// First match wins. Each value must lie within `mask`.
    pub(super) cases: &'static [(u32, Verdict)],
    /// No case matched.
    pub(super) otherwise: Verdict,
}

#[cfg(test)]
impl Verdict {
    /// The final answer for these arguments: what the compiled program must say too.
    pub(super) fn judge(self, arguments: [u64; 6]) -> Verdict {
        match self {
            Verdict::Look(look) => {
                let value = arguments[usize::from(look.argument)] as u32 & look.mask;
                look.cases
                    .iter()
                    .find(|(case, _)| *case == value)
                    .map_or(look.otherwise, |(_, verdict)| *verdict)
                    .judge(arguments)
            }
            decided => decided,
        }
    }
}
