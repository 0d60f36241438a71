//! How far a deployment is: one line on a terminal that goes away again, elsewhere nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::Verbosity;

/// Between two pictures of the line.
const TICK: Duration = Duration::from_millis(100);

/// The line; it goes away when this is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn start(verbosity: Verbosity) -> Self {
        let bar = ProgressBar::new_spinner();
        if verbosity == Verbosity::Quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self { bar }
    }

    /// What is done now.
    pub(super) fn step(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Something of `total` bytes is sent; what is returned is told each piece.
    pub(super) fn sending(&self, what: &str, total: usize) -> impl FnMut(u64) + Send + 'static {
        let sending =
            ProgressStyle::with_template("{spinner} {msg} {bar:30} {bytes}/{total_bytes}");
        self.bar.set_style(sending.expect("a template of ours"));
        self.bar.set_position(0);
        self.bar.set_length(u64::try_from(total).unwrap_or(u64::MAX));
        self.bar.set_message(format!("sending {what}"));
        let bar = self.bar.clone();
        move |bytes| bar.inc(bytes)
    }

    /// The host has it, and works.
    pub(super) fn waiting(&self, text: String) {
        self.bar.set_style(ProgressStyle::default_spinner());
        self.step(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
