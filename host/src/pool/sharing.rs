//! An environment's task where many invocations run in it at once (Managed Instances).
//!
//! The schedule is told of slots and gives no more invocations than that. Nothing is frozen and nothing
//! reset: an environment that fails ends, and another is started.
//!
//! # Invariants
//! - Every [`Run`] that came is told of once: [`Told::Done`], or [`Told::Back`] if it never began here.
//!
//! # Not here
//! What a slot is (`life/crowd.rs`), one invocation at a time (`worker.rs`).

use std::collections::HashMap;
use std::sync::Mutex;

use super::home::{Home, Provider};
use super::schedule::{Health, JobId};
use super::tail::Tails;
use super::worker::{Left, Run, Told, Worker, killed, lock};
use crate::model::{Invoked, Outcome, Refused, RequestId, with_causes};
use crate::sandbox::SandboxError;

/// An invocation that runs here.
struct Flight {
    job: JobId,
    outcome: Option<Outcome>,
}

/// What this environment has been given, and how much of it there could be.
#[derive(Default)]
struct Flights {
    running: HashMap<RequestId, Flight>,
    /// Slots that the schedule has been told of and has not used.
    told: usize,
    /// How many there have been.
    given: u64,
}

impl<P: Provider> Worker<P> {
    /// Serves until it is told to end or the environment cannot go on.
    pub(super) async fn share(&mut self, home: &mut P::Home, tails: &Mutex<Tails>) -> Left {
        if let Err(left) = self.begin(home).await {
            return left;
        }
        let mut flights = Flights::default();
        let left = loop {
            self.tell_slots(home.idle_slots(), &mut flights).await;
            // None of these loses anything when another is first.
            let went = tokio::select! {
                biased;
                () = killed(&mut self.kill) => return Left::Told,
                run = self.runs.recv() => match run {
                    None => break Left::Told,
                    Some(run) => self.give(home, &mut flights, run).await,
                },
                woken = home.woken() => home.attend(woken, &mut answering(&mut flights)).await,
            };
            self.tell_done(&mut flights, tails).await;
            match went {
                Err(error) => break Left::Broken(error),
                Ok(()) if home.is_ready() => {}
                // Its init has failed: who has waited for it is told so, and then it ends.
                Ok(()) if home.idle_slots() > 0 && flights.given == 0 => {}
                Ok(()) if home.idle_slots() > 0 && !self.runs.is_empty() => {}
                Ok(()) => break Left::Told,
            }
        };
        self.leave().await;
        let broken = match &left {
            Left::Told => "the environment has ended".to_owned(),
            Left::Broken(error) => with_causes(error),
        };
        for (_, flight) in flights.running.drain() {
            let result = Some(Box::new(Err(Refused::Sandbox(broken.clone()))));
            let (env, job, health) = (self.env, flight.job, Health::Broken);
            let _gone = self.told.send(Told::Done { env, job, result, health }).await;
        }
        left
    }

    /// Begins an invocation, or has it run elsewhere if its slot is gone meanwhile.
    async fn give(
        &mut self,
        home: &mut P::Home,
        flights: &mut Flights,
        run: Run,
    ) -> Result<(), SandboxError> {
        flights.told = flights.told.saturating_sub(1);
        if home.idle_slots() == 0 {
            self.send_back(run).await;
            return Ok(());
        }
        let Run { job, invocation } = run;
        // Whoever answers would not know which: as AWS, which calls it Client.DuplicatedInvokeId.
        if flights.running.contains_key(&invocation.request_id) {
            let text = format!("invocation {} runs already", invocation.request_id);
            let result = Some(Box::new(Err(Refused::Sandbox(text))));
            let (env, health) = (self.env, Health::Ready);
            let _gone = self.told.send(Told::Done { env, job, result, health }).await;
            return Ok(());
        }
        flights.given += 1;
        flights.running.insert(invocation.request_id.clone(), Flight { job, outcome: None });
        home.give(invocation, &mut answering(flights)).await
    }

    /// Has the schedule know that nothing more can begin here, and gives back what came meanwhile.
    pub(super) async fn leave(&mut self) {
        let _gone = self.told.send(Told::Leaves { env: self.env }).await;
        self.runs.close();
        while let Ok(run) = self.runs.try_recv() {
            self.send_back(run).await;
        }
    }

    async fn send_back(&mut self, run: Run) {
        let (job, invocation) = (run.job, Box::new(run.invocation));
        let _gone = self.told.send(Told::Back { env: self.env, job, invocation }).await;
    }

    /// Has the schedule know how many more it can be given.
    async fn tell_slots(&mut self, idle: usize, flights: &mut Flights) {
        let most = self.version.function.max_concurrency.unwrap_or(1) as usize;
        let free = idle.min(most);
        if free != flights.told {
            let told = Told::Slots { env: self.env, before: flights.told, now: free };
            flights.told = free;
            let _gone = self.told.send(told).await;
        }
    }

    /// Tells of those who have an outcome and a REPORT.
    async fn tell_done(&mut self, flights: &mut Flights, tails: &Mutex<Tails>) {
        let is_over = |_: &RequestId, flight: &mut Flight| flight.outcome.is_some();
        let over: Vec<_> = flights.running.extract_if(is_over).collect();
        for (id, flight) in over {
            let (log_tail, report) = lock(tails).take(&id);
            let invoked = flight.outcome.zip(report);
            let result = match invoked {
                Some((outcome, report)) => Ok(Invoked { outcome, log_tail, report: Some(report) }),
                None => Err(Refused::Sandbox("the invocation ended without a report".to_owned())),
            };
            let (env, job, health) = (self.env, flight.job, Health::Ready);
            let told = Told::Done { env, job, result: Some(Box::new(result)), health };
            let _gone = self.told.send(told).await;
        }
    }
}

fn answering(flights: &mut Flights) -> impl FnMut(&RequestId, Outcome) + Send {
    |id, outcome| {
        if let Some(flight) = flights.running.get_mut(id) {
            flight.outcome.get_or_insert(outcome);
        }
    }
}
