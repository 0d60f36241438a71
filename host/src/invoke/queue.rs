//! Accepted events: taken from the store, run, and only then removed.
//!
//! An event that cannot be run now goes back with a growing wait. One function's events never take
//! all places, so that a slow function holds up nobody else's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::service::{InvokeError, Request, Service};
use crate::catalog::DeployError;
use crate::model::{AnswerAt, Refused, RequestId, with_causes};
use crate::store::{Leased, QueuedEvent, Store, StoreError};

/// Events run at once; each may hold its payload of 1 MiB.
const AT_ONCE: usize = 64;
/// Of these, of one function.
const AT_ONCE_OF_ONE: usize = 32;
/// How long an event is in one hand: longer than any function may take, with all waiting for a place.
const LEASE_MS: u64 = 60 * 60 * 1_000;
/// Oldest event that is run (`MaximumEventAgeInSeconds`; lambda-service.md 13).
const MAX_AGE_MS: u64 = 6 * 60 * 60 * 1_000;
/// Waits after a throttle: from one second, doubled, to five minutes (lambda-service.md 13).
const FIRST_WAIT_MS: u64 = 1_000;
const LONGEST_WAIT_MS: u64 = 5 * 60 * 1_000;
/// Looks at the store at least so often, should its clock and ours disagree.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Whether the host is to end; `true` once it is.
pub type Stop = watch::Receiver<bool>;

/// Runs accepted events.
pub struct Queue {
    store: Store,
    service: Service,
    wake: Notify,
    places: Arc<Semaphore>,
    running: Mutex<HashMap<String, usize>>,
    say: Box<dyn Fn(&str) + Send + Sync>,
}

impl Queue {
    /// Of what the store holds; `say` tells the operator what became of an event that was not run.
    pub fn new(
        store: Store,
        service: Service,
        say: impl Fn(&str) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            service,
            wake: Notify::new(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            running: Mutex::default(),
            say: Box::new(say),
        })
    }

    /// Accepts an event: once this returns it will be run, whatever happens to this host.
    ///
    /// # Errors
    /// If it could not be written to disk; then it was not accepted.
    pub async fn accept(&self, event: QueuedEvent) -> Result<(), StoreError> {
        self.store.enqueue(event).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Runs events until the host is to end; what runs then runs on.
    pub async fn work(self: Arc<Self>, mut stop: Stop) {
        while !*stop.borrow() {
            let places = tokio::select! {
                places = self.some_places() => places,
                _ended = stop.changed() => continue,
            };
            let wait = match self.start_some(places).await {
                Ok(0) => self.until_next().await,
                Ok(_) => continue,
                Err(error) => {
                    (self.say)(&format!("accepted events wait: failed to {}", with_causes(&error)));
                    LOOK_AGAIN
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                // The sender gone is the host gone.
                _ended = stop.changed() => {}
            }
        }
    }

    /// Waits until nothing runs.
    pub async fn idle(&self) {
        let all = u32::try_from(AT_ONCE).expect("a small number");
        // Never closed: whoever waits holds it.
        let _all = self.places.acquire_many(all).await;
    }

    /// Waits for a place, and takes all that are free but no more than any one function may still have.
    async fn some_places(&self) -> Vec<OwnedSemaphorePermit> {
        // Never closed: whoever waits holds it.
        let mut places: Vec<_> =
            Arc::clone(&self.places).acquire_owned().await.into_iter().collect();
        let counts = self.lock().values().copied().collect::<Vec<_>>();
        let busiest = counts.into_iter().filter(|count| *count < AT_ONCE_OF_ONE).max();
        while places.len() < AT_ONCE_OF_ONE - busiest.unwrap_or(0)
            && let Ok(place) = Arc::clone(&self.places).try_acquire_owned()
        {
            places.push(place);
        }
        places
    }

    /// Starts as many events as there are places for.
    async fn start_some(
        self: &Arc<Self>,
        places: Vec<OwnedSemaphorePermit>,
    ) -> Result<usize, StoreError> {
        let limit = u32::try_from(places.len()).expect("a small number");
        let full = self.full();
        let now = now_ms();
        let leased = self.store.lease(now, now + LEASE_MS, limit, full).await?;
        let count = leased.len();
        for (leased, place) in leased.into_iter().zip(places) {
            *self.lock().entry(leased.event.function.clone()).or_default() += 1;
            tokio::spawn(Arc::clone(self).run(leased, place));
        }
        Ok(count)
    }

    async fn run(self: Arc<Self>, leased: Leased, place: OwnedSemaphorePermit) {
        let function = leased.event.function.clone();
        let settled = self.settle(leased).await;
        if let Err(error) = settled {
            // Its lease ends one day, or the host does: it is run again.
            (self.say)(&format!(
                "an event of {function} may run twice: failed to {}",
                with_causes(&error)
            ));
        }
        {
            let mut running = self.lock();
            if let Some(count) = running.get_mut(&function) {
                *count -= 1;
                if *count == 0 {
                    running.remove(&function);
                }
            }
        }
        drop(place);
        self.wake.notify_one();
    }

    async fn settle(&self, leased: Leased) -> Result<(), StoreError> {
        let Leased { id, attempts, event } = leased;
        let (function, request_id) = (event.function.clone(), event.request_id.clone());
        let drop_it = |why: &str| {
            (self.say)(&format!(
                "an event of {function} is dropped: {why} (RequestId: {request_id})"
            ));
        };
        if now_ms().saturating_sub(event.accepted_ms) > MAX_AGE_MS {
            drop_it("it is older than six hours");
            return self.store.done(id).await;
        }
        let request = Request {
            function: event.function,
            arn: event.arn,
            request_id: RequestId(event.request_id),
            payload: event.payload.into(),
            accepted: UNIX_EPOCH + Duration::from_millis(event.accepted_ms),
            trace_id: Some(event.trace_id),
            client_context: None,
            tenant_id: event.tenant_id,
            // One after the other: the next one finds the environment free.
            answer_at: AnswerAt::Report,
        };
        match self.service.invoke(request).await {
            // Whatever the function made of it, it has had it.
            Ok(_) => self.store.done(id).await,
            Err(InvokeError::Resolve(DeployError::NoFunction { .. })) => {
                drop_it("the function was deleted");
                self.store.done(id).await
            }
            // The function is another one of the same name.
            Err(InvokeError::Tenant(mismatch)) => {
                drop_it(&mismatch.to_string());
                self.store.done(id).await
            }
            // It waits for the next start of the host.
            Err(InvokeError::Refused(Refused::ShuttingDown)) => {
                self.store.give_back(id, now_ms()).await
            }
            Err(InvokeError::Refused(_) | InvokeError::Resolve(_)) => {
                self.store.give_back(id, now_ms() + wait_ms(attempts)).await
            }
        }
    }

    async fn until_next(&self) -> Duration {
        // Events of functions that have all their places come with the end of one that runs.
        match self.store.next_due_ms(self.full()).await {
            Ok(Some(due)) => Duration::from_millis(due.saturating_sub(now_ms())).min(LOOK_AGAIN),
            Ok(None) | Err(_) => LOOK_AGAIN,
        }
    }

    fn full(&self) -> Vec<String> {
        let running = self.lock();
        let full = running.iter().filter(|(_, count)| **count >= AT_ONCE_OF_ONE);
        full.map(|(function, _)| function.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // A count that was changed is whole even if its changer panicked later.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_ms(attempts: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(16);
    (FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS)
}

pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("running", &self.lock().len()).finish_non_exhaustive()
    }
}
