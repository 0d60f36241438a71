//! What the connections of one Runtime API have in common.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::HeaderMap;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc};

use super::credentials::ServedCredentials;
use super::next::INVOCATION_ID;
use super::release::Release;
use super::reply::{self, Reply};
use super::response;
use super::session::{Answer, Delivery, Refusal, Session, Ticket};
use super::signal::Signal;
use super::telemetry::Hub;
use crate::model::StreamTo;

/// The session and the ways to hear of it.
///
/// The session is behind a lock and not in a task of its own: a hop between tasks costs more than
/// all it decides. The lock is never held across an await, and signals are sent under it, so that
/// their order is the order of the state changes.
#[derive(Debug)]
pub(crate) struct Shared {
    session: Mutex<Session>,
    release: Mutex<Release>,
    /// Whom extensions asked to send what happens.
    pub(crate) telemetry: Hub,
    /// Keys that are asked for.
    pub(crate) credentials: Option<ServedCredentials>,
    /// Woken when something was assigned or restored, or a stream has ended; whoever is suspended looks again.
    pub(crate) changed: Notify,
    /// Of a runtime that may hold many: how many of its `next` count.
    slots: Semaphore,
    /// The owner holds the other end; when that is gone every call ends in 500.
    signals: mpsc::Sender<Signal>,
}

impl Shared {
    pub(crate) fn new(
        session: Session,
        slots: usize,
        telemetry: Hub,
        credentials: Option<ServedCredentials>,
        signals: mpsc::Sender<Signal>,
    ) -> Self {
        Self {
            telemetry,
            credentials,
            session: Mutex::new(session),
            release: Mutex::default(),
            changed: Notify::new(),
            slots: Semaphore::new(slots),
            signals,
        }
    }

    /// The state. A panic elsewhere cannot leave it half changed: each step ends with one store.
    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn release(&self) -> MutexGuard<'_, Release> {
        self.release.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the owner's queue, to be had before any state changes.
    pub(crate) async fn permit(&self) -> Result<mpsc::Permit<'_, Signal>, Reply> {
        self.signals.reserve().await.map_err(|_| reply::internal())
    }
}

/// A post whose body is being read. Dropping it unfinished, as hyper does when the connection
/// goes, makes the post not have happened.
#[derive(Debug)]
pub(crate) struct Post<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl<'a> Post<'a> {
    pub(crate) fn new(shared: &'a Shared, ticket: Ticket) -> Self {
        Self { shared, ticket }
    }

    /// Begins the answer to invocation `id`, if the session takes one now.
    pub(crate) async fn of_invocation(
        shared: &'a Shared,
        id: &str,
        headers: &HeaderMap,
        answer: Answer,
    ) -> Result<Self, Reply> {
        let attempt_id = headers.get(INVOCATION_ID).map(|value| value.as_bytes());
        let begun = shared.session().begin(id, attempt_id, answer);
        if let Err(refusal) = &begun
            && let Some(signal) = late(refusal)
        {
            shared.permit().await?.send(signal);
        }
        Ok(Self::new(shared, begun?))
    }

    /// Ends an invocation's post.
    pub(crate) async fn deliver(self, delivery: Delivery) -> Result<(), Reply> {
        let at = Instant::now();
        self.finish(|session, ticket| session.finish(ticket, delivery, at)).await
    }

    /// Ends a post by `step`, which gets the ticket.
    pub(crate) async fn finish(
        self,
        step: impl FnOnce(&mut Session, Ticket) -> Result<Signal, Refusal>,
    ) -> Result<(), Reply> {
        let permit = self.shared.permit().await?;
        let mut session = self.shared.session();
        match step(&mut session, self.ticket) {
            Ok(signal) => permit.send(signal),
            Err(refusal) => {
                if let Some(signal) = late(&refusal) {
                    permit.send(signal);
                }
                drop(session);
                return Err(refusal.into());
            }
        }
        drop(session);
        Ok(())
    }
}

/// What the owner is told of an answer that came too late.
fn late(refusal: &Refusal) -> Option<Signal> {
    match refusal {
        Refusal::Late { request_id } => {
            Some(Signal::Late { request_id: request_id.clone(), at: Instant::now() })
        }
        _ => None,
    }
}

/// A waiting `next` of a runtime that may hold many. Those over the limit wait to be one. Dropping it without an event, as hyper does when
/// the connection goes, tells the owner that there is one fewer.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    gone: Option<mpsc::OwnedPermit<Signal>>,
    _one_of_many: SemaphorePermit<'a>,
}

impl<'a> Slot<'a> {
    /// Had before the owner is told of the `next`, so that there is always room to take that back.
    pub(crate) async fn reserve(shared: &'a Shared) -> Result<Self, Reply> {
        let one_of_many = shared.slots.acquire().await.map_err(|_| reply::internal())?;
        let gone = shared.signals.clone().reserve_owned().await;
        let gone = Some(gone.map_err(|_| reply::internal())?);
        Ok(Self { gone, _one_of_many: one_of_many })
    }

    /// It has got an event, or was never told of.
    pub(crate) fn end(mut self) {
        self.gone = None;
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.gone.take() {
            permit.send(Signal::NextGone { at: Instant::now() });
        }
    }
}

/// A streamed answer that is under way. Dropping it unfinished cuts it off: some of it may have been
/// read already, so that it cannot be made again.
#[derive(Debug)]
pub(crate) struct StreamedPost<'a> {
    post: Post<'a>,
    /// Its place in the owner's queue, had from the beginning; taken when it ends.
    permit: Option<mpsc::OwnedPermit<Signal>>,
}

impl<'a> StreamedPost<'a> {
    pub(crate) async fn begin(post: Post<'a>) -> Result<Self, Reply> {
        let permit = post.shared.signals.clone().reserve_owned().await;
        let permit = permit.map_err(|_| reply::internal())?;
        post.shared.session().streams(post.ticket);
        Ok(Self { post, permit: Some(permit) })
    }

    /// Where it goes, if anybody wants it as it comes.
    pub(crate) fn stream_to(&self) -> Option<StreamTo> {
        self.post.shared.session().stream_to(self.post.ticket)
    }

    /// Ends it.
    pub(crate) fn deliver(mut self, delivery: Delivery) -> Result<(), Refusal> {
        self.end(delivery)
    }

    fn end(&mut self, delivery: Delivery) -> Result<(), Refusal> {
        let Some(permit) = self.permit.take() else { return Ok(()) };
        let ended = {
            let mut session = self.post.shared.session();
            match session.finish(self.post.ticket, delivery, Instant::now()) {
                Ok(signal) => {
                    permit.send(signal);
                    Ok(())
                }
                Err(refusal) => {
                    if let Some(signal) = late(&refusal) {
                        permit.send(signal);
                    }
                    Err(refusal)
                }
            }
        };
        // A `next` may wait for it.
        self.post.shared.changed.notify_waiters();
        ended
    }
}

impl Drop for StreamedPost<'_> {
    fn drop(&mut self) {
        // Refused if the invocation is over, which is as well.
        let _over = self.end(response::truncated());
    }
}

impl Drop for Post<'_> {
    fn drop(&mut self) {
        // A finished ticket is no longer known, then this does nothing.
        self.shared.session().abandon(self.ticket);
    }
}
