//! What a slow or small machine cannot do as tests expect it, told by who starts the tests.
//!
//! `scripts/test-v2` sets these for its guest. Without them nothing changes, so no machine takes a
//! shorter way unasked.
//!
//! - `LAMBDABOX_TEST_TIME_SCALE=N`: everything takes up to N times as long. Waits, the program's own
//!   limits (`--time-scale`) and timeouts that are not there to be met are stretched; measured times are
//!   divided, so no bound is asserted that the machine cannot keep.
//! - `LAMBDABOX_TEST_NO_NAT=REASON`: the machine has no `nat`; functions run on `none`, and what needs
//!   `nat` is skipped for that reason.
//! - `LAMBDABOX_TEST_NO_REGISTRIES=REASON`: no package registry is in reach. What is fetched once for many
//!   tests must be in their cache; builds of a user's project are skipped for that reason.

use std::ffi::OsString;
use std::sync::LazyLock;
use std::time::Duration;

/// From here on a timeout is there so that nothing is cut off; below, to be met. Seconds.
const GENEROUS_TIMEOUT_SECS: u32 = 5;
/// Those to be met are waited for, but what comes before must fit into them.
const SHORT_TIMEOUT_SCALE: u32 = 5;
/// AWS's default timeout, which most tests leave alone, and its greatest. Seconds.
const DEFAULT_TIMEOUT_SECS: u32 = 3;
const LONGEST_TIMEOUT_SECS: u32 = 900;

static TIME_SCALE: LazyLock<u32> = LazyLock::new(|| {
    let scale = std::env::var("LAMBDABOX_TEST_TIME_SCALE");
    scale.map_or(1, |text| text.parse().expect("LAMBDABOX_TEST_TIME_SCALE is a whole number"))
});
static NO_NAT: LazyLock<Option<String>> =
    LazyLock::new(|| std::env::var("LAMBDABOX_TEST_NO_NAT").ok());

static NO_REGISTRIES: LazyLock<Option<String>> =
    LazyLock::new(|| std::env::var("LAMBDABOX_TEST_NO_REGISTRIES").ok());

/// A bound of a wait, as long as this machine needs.
pub(crate) fn stretched(limit: Duration) -> Duration {
    limit * *TIME_SCALE
}

/// A measured time, as an ordinary machine would have taken it.
pub(crate) fn shrunk(measured: Duration) -> Duration {
    measured / *TIME_SCALE
}

/// Why a load of so many at once says nothing here, if it does not.
pub(crate) fn too_slow_for_load() -> Option<String> {
    (*TIME_SCALE > 1)
        .then(|| format!("a load says nothing on a machine up to {} times slower", *TIME_SCALE))
}

/// Why this machine has no `nat`, if it has none. Tests about `nat` skip with it.
pub(crate) fn no_nat() -> Option<&'static str> {
    NO_NAT.as_deref()
}

/// Why no package registry is in reach, if that is known.
pub(crate) fn no_registries() -> Option<&'static str> {
    NO_REGISTRIES.as_deref()
}

/// Those of these networks that this machine has.
pub(crate) fn networks(wanted: &[&'static str]) -> Vec<&'static str> {
    wanted.iter().copied().filter(|network| *network != "nat" || no_nat().is_none()).collect()
}

/// Settings of the program for this machine; the command line goes before them.
pub(crate) fn settings() -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if *TIME_SCALE > 1 {
        settings.push(("LAMBDABOX_TIME_SCALE", TIME_SCALE.to_string()));
        settings.push(("LAMBDABOX_TIMEOUT", (DEFAULT_TIMEOUT_SECS * *TIME_SCALE).to_string()));
    }
    if no_nat().is_some() {
        settings.push(("LAMBDABOX_NETWORK", "none".to_owned()));
    }
    settings
}

/// A bound of a number of milliseconds, as [`stretched`].
pub(crate) fn stretched_ms(limit: f64) -> f64 {
    limit * f64::from(*TIME_SCALE)
}

/// A timeout that is there to be met: long enough on this machine for what comes before.
pub(crate) fn short_timeout_secs(seconds: u32) -> u32 {
    seconds * SHORT_TIMEOUT_SCALE.min(*TIME_SCALE)
}

/// All of the processor for a function that fills its memory, on a slow machine: with the share that goes with
/// its memory that takes minutes there.
pub(crate) fn full_cpu_if_slow() -> &'static [&'static str] {
    if *TIME_SCALE > 1 { &["--cpu", "unlimited"] } else { &[] }
}

/// A command line whose timeouts are stretched: the generous ones by all, those that are there to be met by
/// little. Written `--timeout=N` one stays exact.
pub(crate) fn stretch_timeouts(arguments: &mut [OsString]) {
    for at in 1..arguments.len() {
        let seconds = arguments[at].to_str().and_then(|text| text.parse::<u32>().ok());
        let seconds = seconds.filter(|s| (1..LONGEST_TIMEOUT_SECS).contains(s));
        if let Some(seconds) = seconds.filter(|_| arguments[at - 1] == "--timeout") {
            let generous = seconds >= GENEROUS_TIMEOUT_SECS;
            let longer = if generous { seconds * *TIME_SCALE } else { short_timeout_secs(seconds) };
            arguments[at] = longer.min(LONGEST_TIMEOUT_SECS).to_string().into();
        }
    }
}
