//! Whether the environment runs: its sinks are written to while it does.

use std::time::Duration;

use tokio::sync::watch;

/// What an environment's processes are doing, as far as its sinks are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They wait for an invocation, and may be frozen at any moment.
    Idle,
    /// They run.
    Running,
    /// They end: what waits is sent without waiting for more.
    Ending,
}

/// Waits until it is open, or it will never be.
pub(crate) async fn open(gate: &mut watch::Receiver<Phase>) -> Phase {
    let opened = gate.wait_for(|phase| *phase != Phase::Idle).await.map(|phase| *phase);
    match opened {
        Ok(phase) => phase,
        // Whoever opens it is gone, and its environment.
        Err(_) => std::future::pending().await,
    }
}

/// Ends after this much time with an open gate: the clock of a frozen sink stands still.
pub(crate) async fn open_time(gate: &mut watch::Receiver<Phase>, mut left: Duration) {
    loop {
        open(gate).await;
        let began = tokio::time::Instant::now();
        let closed = async { gate.wait_for(|phase| *phase == Phase::Idle).await.is_ok() };
        let is_closed = tokio::select! {
            () = tokio::time::sleep(left) => return,
            is_closed = closed => is_closed,
        };
        if !is_closed {
            // As above.
            std::future::pending::<()>().await;
        }
        left = left.saturating_sub(began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_passes_only_while_the_gate_is_open() {
        let (phase, mut gate) = watch::channel(Phase::Idle);
        let moment = Duration::from_millis(1);
        for opened in [Phase::Running, Phase::Ending] {
            let closed = tokio::time::timeout(50 * moment, open_time(&mut gate, moment)).await;
            assert!(closed.is_err(), "its time does not pass while it is closed");
            phase.send_replace(opened);
            open_time(&mut gate, moment).await;
            assert_eq!(open(&mut gate).await, opened);
            phase.send_replace(Phase::Idle);
        }
    }
}
