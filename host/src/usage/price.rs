//! What AWS would charge: prices of us-east-1, the first tier, without the free part of a month.
//!
//! # Sources
//! `reference/lambda-service.md` section 21.

use crate::store::Totals;

/// 10⁻¹² US dollars for each invocation.
const REQUEST_PICO: u128 = 200_000;
/// For each GB-second of memory.
const GB_SECOND_X86_PICO: u128 = 16_666_700;
const GB_SECOND_ARM_PICO: u128 = 13_333_400;
/// For each GB-second of `/tmp` beyond 512 MB.
const STORAGE_GB_SECOND_PICO: u128 = 30_900;
/// A GB-second in MB and milliseconds.
const MB_MS: u128 = 1_024 * 1_000;

/// What it costs, 10⁻¹² US dollars, on this machine's architecture.
pub(crate) fn pico_dollars(totals: &Totals) -> u64 {
    let gb_second = match cfg!(target_arch = "aarch64") {
        true => GB_SECOND_ARM_PICO,
        false => GB_SECOND_X86_PICO,
    };
    let requests = u128::from(totals.invocations) * REQUEST_PICO;
    let memory = u128::from(totals.mb_ms) * gb_second;
    let storage = u128::from(totals.storage_mb_ms) * STORAGE_GB_SECOND_PICO;
    let parts = requests * MB_MS + memory + storage;
    u64::try_from((parts + MB_MS / 2) / MB_MS).unwrap_or(u64::MAX)
}

/// Memory and time as AWS counts them.
pub(crate) fn gb_seconds(totals: &Totals) -> f64 {
    totals.mb_ms as f64 / MB_MS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_invocations_of_a_second_in_a_gb_cost_what_the_price_list_says() {
        let totals = Totals {
            invocations: 1_000_000,
            billed_ms: 1_000_000_000,
            mb_ms: 1_024_000_000_000,
            ..Totals::default()
        };
        // 0.20 for the requests, 1,000,000 GB-seconds at 0.0000166667 (arm64: 0.0000133334).
        let expected = if cfg!(target_arch = "aarch64") { 13_533_400 } else { 16_866_700 };
        assert_eq!(pico_dollars(&totals), expected * 1_000_000);
        assert!((gb_seconds(&totals) - 1_000_000.0).abs() < 1e-6);
    }

    #[test]
    fn storage_beyond_what_is_free_is_paid_for() {
        let none = Totals { invocations: 1, billed_ms: 1_000, ..Totals::default() };
        let more = Totals { storage_mb_ms: 1_024_000, ..none };
        assert_eq!(pico_dollars(&more) - pico_dollars(&none), 30_900);
    }

    #[test]
    fn nothing_costs_nothing() {
        assert_eq!(pico_dollars(&Totals::default()), 0);
    }
}
