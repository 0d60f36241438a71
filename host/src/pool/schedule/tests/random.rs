//! Any order of events: long random walks, each with a seed that is named if it fails.

use std::collections::BTreeMap;

use super::*;

const WALKS: u64 = 300;
const STEPS: usize = 400;

/// xorshift64*: enough for choosing among a few things, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.roll(all.len())])
    }
}

/// What a driver would have: each environment's state as it sees it, and each caller's answers.
struct World {
    schedule: Schedule,
    now: Instant,
    starting: Vec<EnvId>,
    idle: Vec<EnvId>,
    busy: BTreeMap<EnvId, JobId>,
    ending: Vec<EnvId>,
    answers: BTreeMap<JobId, u32>,
    killed: bool,
}

impl World {
    fn new(settings: Settings) -> Self {
        Self {
            schedule: Schedule::new(settings),
            now: Instant::now(),
            starting: Vec::new(),
            idle: Vec::new(),
            busy: BTreeMap::new(),
            ending: Vec::new(),
            answers: BTreeMap::new(),
            killed: false,
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start { env, .. } => self.starting.push(env),
                Effect::Assign { env, job } => {
                    assert!(self.idle.contains(&env), "{env:?} is not idle");
                    self.idle.retain(|idle| *idle != env);
                    assert_eq!(self.busy.insert(env, job), None, "two in {env:?}");
                }
                Effect::End { env } => {
                    assert!(self.idle.contains(&env), "{env:?} was told to end and is not idle");
                    self.idle.retain(|idle| *idle != env);
                    self.ending.push(env);
                }
                Effect::Kill { env } => {
                    let known = self.starting.contains(&env)
                        || self.busy.contains_key(&env)
                        || self.ending.contains(&env);
                    assert!(known, "{env:?} is unknown");
                }
                Effect::Refuse { job, .. } => self.answer(job),
            }
        }
        check(&self.schedule);
    }

    fn answer(&mut self, job: JobId) {
        *self.answers.get_mut(&job).expect("it was asked") += 1;
    }

    fn step(&mut self, dice: &mut Dice) {
        let busy: Vec<EnvId> = self.busy.keys().copied().collect();
        self.now += Duration::from_millis(dice.roll(700) as u64);
        match dice.roll(16) {
            0..=5 => {
                let job = JobId(self.answers.len() as u64);
                self.answers.insert(job, 0);
                let mut need = need(["a", "b", "c", "d"][dice.roll(4)], ["1", "2"][dice.roll(2)]);
                need.memory_mb = [128, 256, 1_024, 9_000][dice.roll(20).saturating_sub(16)];
                // One size a version, as it is in life.
                need.key.revision.push_str(&need.memory_mb.to_string());
                need.reserved = (need.key.function == "d").then_some(2);
                let effects = self.schedule.invoke(job, &need, self.now);
                self.perform(effects);
            }
            6..=8 => {
                let Some(env) = dice.pick(&self.starting) else { return };
                self.starting.retain(|other| *other != env);
                if dice.roll(8) == 0 {
                    self.gone(env, &Gone::Failed("no".to_owned()));
                } else {
                    self.idle.push(env);
                    let effects = self.schedule.ready(env, self.now);
                    self.perform(effects);
                }
            }
            9..=11 => {
                let Some(env) = dice.pick(&busy) else { return };
                if dice.roll(4) == 0 {
                    self.schedule.answered(env, self.busy[&env], self.now);
                    check(&self.schedule);
                    return;
                }
                let job = self.busy.remove(&env).expect("it was listed");
                let health = [Health::Ready, Health::Ready, Health::Reset, Health::Broken];
                let health = health[dice.roll(4)];
                self.answer(job);
                if health == Health::Broken { &mut self.ending } else { &mut self.idle }.push(env);
                let effects = self.schedule.done(env, job, health, self.now);
                self.perform(effects);
            }
            12 | 13 => {
                let Some(env) = dice.pick(&self.ending) else { return };
                self.ending.retain(|other| *other != env);
                let lost = dice.roll(60) == 0;
                self.gone(env, &if lost { Gone::Lost("stuck".to_owned()) } else { Gone::Ended });
            }
            14 => {
                let all: Vec<EnvId> = busy.iter().chain(&self.idle).copied().collect();
                let Some(env) = dice.pick(&all).filter(|_| dice.roll(4) == 0) else { return };
                self.busy.remove(&env);
                self.idle.retain(|other| *other != env);
                self.gone(env, &Gone::Failed("its task panicked".to_owned()));
            }
            _ => {
                let effects = match dice.roll(30) {
                    0..=9 => self.schedule.retire("a", "$LATEST", Some("1128")),
                    10 => self.schedule.close(),
                    11 => {
                        self.killed = true;
                        self.schedule.kill()
                    }
                    _ => {
                        self.now += Duration::from_secs(dice.roll(400) as u64);
                        self.schedule.tick(self.now)
                    }
                };
                self.perform(effects);
            }
        }
    }

    fn gone(&mut self, env: EnvId, gone: &Gone) {
        let effects = self.schedule.gone(env, gone, self.now);
        self.perform(effects);
    }

    /// Lets everything end; whoever waits for what cannot be had is refused in time.
    fn finish(&mut self, dice: &mut Dice) {
        let effects = self.schedule.close();
        self.perform(effects);
        for _ in 0..10_000 {
            if self.schedule.is_drained() {
                return;
            }
            self.now += WITHIN;
            let effects = self.schedule.tick(self.now);
            self.perform(effects);
            for env in std::mem::take(&mut self.starting) {
                self.idle.push(env);
                let effects = self.schedule.ready(env, self.now);
                self.perform(effects);
            }
            let busy: Vec<(EnvId, JobId)> = self.busy.iter().map(|(e, j)| (*e, *j)).collect();
            for (env, job) in busy.into_iter().take(1 + dice.roll(3)) {
                self.busy.remove(&env);
                self.answer(job);
                self.idle.push(env);
                let effects = self.schedule.done(env, job, Health::Ready, self.now);
                self.perform(effects);
            }
            for env in std::mem::take(&mut self.ending) {
                self.gone(env, &Gone::Ended);
            }
        }
        panic!("it never drains: {:?}", self.schedule);
    }
}

#[test]
fn whatever_happens_every_invocation_is_answered_once_and_nothing_is_promised_twice() {
    for seed in 1..=WALKS {
        let walk = std::panic::catch_unwind(|| {
            let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut world = World::new(Settings {
                account_concurrency: 12,
                environments_max: 6,
                starts_at_once: 1 + dice.roll(4) as u32,
                idle_for: [Duration::from_secs(1), FOR_EVER][dice.roll(2)],
                ..settings(1 + dice.roll(12) as u64)
            });
            for _ in 0..STEPS {
                world.step(&mut dice);
            }
            world.finish(&mut dice);
            for (job, answers) in &world.answers {
                assert_eq!(*answers, 1, "{job:?}");
            }
            assert_eq!(world.schedule.promised_mb, world.schedule.lost_mb);
            assert!(world.schedule.groups.is_empty() && world.schedule.flows.is_empty());
        });
        assert!(walk.is_ok(), "the walk of seed {seed} failed");
    }
}
