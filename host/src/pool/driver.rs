//! The one task that owns the schedule: hears what happens, performs what must be done.
//!
//! # Invariants
//! - It never waits for an environment or a caller: orders go into channels that have room for them.
//! - Every caller is answered here and nowhere else, after the schedule knows that the environment is
//!   free: who calls again at once finds it idle; but where extensions are given time to end, before.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::home::{Journal, Provider};
use super::schedule::{Effect, EnvId, Gone, JobId, Key, Need, Schedule};
use super::settings::Settings;
use super::snapshot::Snapshot;
use super::worker::{Run, Told, Worker};
use crate::model::{Invocation, Invoked, Refused, Version};

/// Words of environments that wait for the schedule; who has more waits.
const TOLD_WAITING: usize = 256;

/// The caller's side of an invocation. A caller that is gone is not told.
pub(super) type Reply = oneshot::Sender<Result<Invoked, Refused>>;

/// What the pool is asked for.
pub(super) enum Ask {
    Invoke { version: Arc<Version>, invocation: Box<Invocation>, reply: Reply },
    Retire { function: String, version: String, keep_revision: Option<String> },
    Drain { deadline: Instant, drained: oneshot::Sender<()> },
    Snapshot { reply: oneshot::Sender<Snapshot> },
}

/// The schedule's hold on one environment.
struct Hold {
    /// Dropped to have it end.
    runs: Option<mpsc::Sender<Run>>,
    kill: watch::Sender<bool>,
    is_frozen: Arc<AtomicBool>,
}

/// An invocation that is not over.
struct Pending {
    /// Until it is assigned.
    invocation: Option<Invocation>,
    reply: Reply,
    since: Instant,
}

pub(super) struct Driver<P> {
    schedule: Schedule,
    settings: Settings,
    provider: Arc<P>,
    journal: Arc<dyn Journal>,
    pending: HashMap<JobId, Pending>,
    holds: HashMap<EnvId, Hold>,
    /// Any version of these keys; the newest, whose reservation counts.
    versions: HashMap<Key, Arc<Version>>,
    workers: JoinSet<Gone>,
    env_of: HashMap<Id, EnvId>,
    told: mpsc::Sender<Told>,
    draining: Vec<oneshot::Sender<()>>,
    kill_at: Option<Instant>,
    last_job: u64,
    /// Invocations that an environment, which ends, was given too late.
    not_taken: Vec<(EnvId, Run)>,
}

/// What woke the driver.
enum Woken {
    Told(Told),
    Ended(Result<(Id, Gone), JoinError>),
    Asked(Option<Ask>),
    Time,
}

impl<P: Provider> Driver<P> {
    pub(super) fn new(settings: Settings, provider: P, journal: Arc<dyn Journal>) -> Self {
        // Replaced when it runs; a closed channel holds nothing.
        let (told, _) = mpsc::channel(TOLD_WAITING);
        Self {
            schedule: Schedule::new(settings.clone()),
            settings,
            provider: Arc::new(provider),
            journal,
            pending: HashMap::new(),
            holds: HashMap::new(),
            versions: HashMap::new(),
            workers: JoinSet::new(),
            env_of: HashMap::new(),
            told,
            draining: Vec::new(),
            kill_at: None,
            last_job: 0,
            not_taken: Vec::new(),
        }
    }

    /// Runs until everything is closed and nothing is left. Closing is asked for, or what follows when
    /// nobody can ask any more. What the provider holds is free by the time those who drain are told.
    pub(super) async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        let (told, mut heard) = mpsc::channel(TOLD_WAITING);
        self.told = told;
        let mut can_ask = true;
        loop {
            let wake_at = self.schedule.next_tick().into_iter().chain(self.kill_at).min();
            let time = async {
                match wake_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            // None of these loses anything when another is first. Those who have ended come before
            // those who ask, so that an ended environment is not counted against a new one.
            let woken = tokio::select! {
                biased;
                Some(told) = heard.recv() => Woken::Told(told),
                Some(ended) = self.workers.join_next_with_id() => Woken::Ended(ended),
                ask = asked.recv(), if can_ask => Woken::Asked(ask),
                () = time => Woken::Time,
            };
            let now = Instant::now();
            match woken {
                Woken::Told(told) => self.hear(told, now),
                Woken::Ended(ended) => self.bury(ended, now),
                Woken::Asked(Some(ask)) => self.answer(ask, now),
                Woken::Asked(None) => {
                    can_ask = false;
                    let effects = self.schedule.close();
                    self.perform(effects);
                }
                Woken::Time => self.tick(now),
            }
            while let Some((env, run)) = self.not_taken.pop() {
                let effects = self.schedule.leaves(env, now);
                self.perform(effects);
                let effects = self.take_back(env, run.job, run.invocation, now);
                self.perform(effects);
            }
            if self.schedule.is_drained() {
                break;
            }
        }
        drop(asked);
        let draining = std::mem::take(&mut self.draining);
        drop(self);
        for drained in draining {
            // Who stopped waiting need not know.
            let _ = drained.send(());
        }
    }

    fn hear(&mut self, told: Told, now: Instant) {
        let effects = match told {
            Told::Ready { env } => self.schedule.ready(env, now),
            Told::Slots { env, before, now: free } => self.schedule.slots(env, before, free, now),
            Told::Leaves { env } => self.schedule.leaves(env, now),
            Told::Back { env, job, invocation } => self.take_back(env, job, *invocation, now),
            Told::Answered { env, job, invoked } => {
                self.schedule.answered(env, job, now);
                self.reply(job, Ok(*invoked));
                Vec::new()
            }
            Told::Done { env, job, result, health } => {
                let effects = self.schedule.done(env, job, health, now);
                if let Some(result) = result {
                    self.reply(job, *result);
                }
                effects
            }
        };
        self.perform(effects);
    }

    fn bury(&mut self, ended: Result<(Id, Gone), JoinError>, now: Instant) {
        let (id, gone) = match ended {
            Ok((id, gone)) => (id, gone),
            // The panic itself has been printed.
            Err(error) => (error.id(), Gone::Failed("its task panicked".to_owned())),
        };
        let Some(env) = self.env_of.remove(&id) else { return };
        self.holds.remove(&env);
        let effects = self.schedule.gone(env, &gone, now);
        let is_told = effects.iter().any(|effect| matches!(effect, Effect::Refuse { .. }));
        match &gone {
            Gone::Lost(text) => self.journal.trouble(text),
            Gone::Failed(text) if !is_told => self.journal.trouble(text),
            Gone::Failed(_) | Gone::Ended => {}
        }
        self.perform(effects);
        let schedule = &self.schedule;
        self.versions.retain(|key, _| schedule.knows(key));
    }

    fn answer(&mut self, ask: Ask, now: Instant) {
        let effects = match ask {
            Ask::Invoke { version, invocation, reply } => {
                self.last_job += 1;
                let job = JobId(self.last_job);
                let need = Need::of(&version, invocation.tenant_id.clone());
                let pending = Pending { invocation: Some(*invocation), reply, since: now };
                self.pending.insert(job, pending);
                let effects = self.schedule.invoke(job, &need, now);
                // Not if it was refused: nobody would take it out again.
                if self.schedule.knows(&need.key) {
                    self.versions.insert(need.key, version);
                }
                effects
            }
            Ask::Retire { function, version, keep_revision } => {
                self.schedule.retire(&function, &version, keep_revision.as_deref())
            }
            Ask::Drain { deadline, drained } => {
                self.draining.push(drained);
                self.kill_at = Some(self.kill_at.map_or(deadline, |at| at.min(deadline)));
                self.schedule.close()
            }
            Ask::Snapshot { reply } => {
                // Who stopped waiting need not know.
                let _ = reply.send(self.snapshot(now));
                return;
            }
        };
        self.perform(effects);
    }

    fn tick(&mut self, now: Instant) {
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            let effects = self.schedule.kill();
            self.perform(effects);
        }
        let effects = self.schedule.tick(now);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start { env, key } => self.start(env, &key),
                Effect::Assign { env, job } => self.assign(env, job),
                Effect::End { env } => {
                    if let Some(hold) = self.holds.get_mut(&env) {
                        hold.runs = None;
                    }
                }
                Effect::Kill { env } => {
                    if let Some(hold) = self.holds.get(&env) {
                        hold.kill.send_replace(true);
                    }
                }
                Effect::Refuse { job, refused } => self.reply(job, Err(refused)),
            }
        }
    }

    fn start(&mut self, env: EnvId, key: &Key) {
        let version = Arc::clone(&self.versions[key]);
        let at_once = version.function.max_concurrency.unwrap_or(1) as usize;
        let (runs, orders) = mpsc::channel(at_once);
        let (kill, killed) = watch::channel(false);
        let is_frozen = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            env,
            version,
            provider: Arc::clone(&self.provider),
            journal: Arc::clone(&self.journal),
            freeze: self.settings.freeze,
            told: self.told.clone(),
            runs: orders,
            kill: killed,
            is_frozen: Arc::clone(&is_frozen),
        };
        let id = self.workers.spawn(worker.live()).id();
        self.env_of.insert(id, env);
        self.holds.insert(env, Hold { runs: Some(runs), kill, is_frozen });
    }

    fn assign(&mut self, env: EnvId, job: JobId) {
        let Some(pending) = self.pending.get_mut(&job) else { return };
        let Some(invocation) = pending.invocation.take() else { return };
        if let Some(hold) = self.holds.get(&env)
            && let Some(runs) = &hold.runs
        {
            // It has room, because this environment has; or it takes no more, which is heard of in a moment.
            let ended = runs.try_send(Run { job, invocation }).err();
            // One that is killed is buried, and the caller is answered then.
            if !*hold.kill.borrow() {
                self.not_taken.extend(ended.map(|ended| (env, ended.into_inner())));
            }
        }
    }

    /// An invocation that never began waits for another environment.
    fn take_back(
        &mut self,
        env: EnvId,
        job: JobId,
        invocation: Invocation,
        now: Instant,
    ) -> Vec<Effect> {
        if let Some(pending) = self.pending.get_mut(&job) {
            pending.invocation = Some(invocation);
        }
        self.schedule.back(env, job, now)
    }

    fn reply(&mut self, job: JobId, result: Result<Invoked, Refused>) {
        if let Some(pending) = self.pending.remove(&job) {
            // A caller that hung up did not stop its invocation, and hears nothing of it.
            let _hung_up = pending.reply.send(result);
        }
    }

    fn snapshot(&self, now: Instant) -> Snapshot {
        let is_frozen =
            |env: EnvId| self.holds.get(&env).is_some_and(|h| h.is_frozen.load(Ordering::Relaxed));
        let waiting = self.pending.values().filter(|pending| pending.invocation.is_some());
        let oldest = waiting.map(|pending| now.duration_since(pending.since)).max();
        self.schedule.snapshot(&is_frozen, oldest.unwrap_or(Duration::ZERO))
    }
}
