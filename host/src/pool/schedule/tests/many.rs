//! Environments that run many at once: they are given what they have said they have room for.

use super::*;

const AT_ONCE: u32 = 2;

/// Invocations of a function whose environments run two at once.
struct Many {
    schedule: Schedule,
    now: Instant,
    jobs: u64,
}

impl Many {
    fn new(places: u64) -> Self {
        Self { schedule: Schedule::new(settings(places)), now: Instant::now(), jobs: 0 }
    }

    fn invoke(&mut self) -> Vec<Effect> {
        self.jobs += 1;
        let need = Need { at_once: Some(AT_ONCE), ..need("f", "1") };
        let effects = self.schedule.invoke(JobId(self.jobs), &need, self.now);
        check(&self.schedule);
        effects
    }

    fn slots(&mut self, env: EnvId, before: usize, free: usize) -> Vec<Effect> {
        let effects = self.schedule.slots(env, before, free, self.now);
        check(&self.schedule);
        effects
    }

    fn done(&mut self, env: EnvId, job: u64) -> Vec<Effect> {
        let effects = self.schedule.done(env, JobId(job), Health::Ready, self.now);
        check(&self.schedule);
        effects
    }

    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.now += time;
        let effects = self.schedule.tick(self.now);
        check(&self.schedule);
        effects
    }

    /// An environment with this much room, and nothing in it.
    fn ready(&mut self, free: usize) -> EnvId {
        let [Effect::Start { env, .. }] = self.invoke()[..] else { panic!("it starts") };
        assert_eq!(self.schedule.ready(env, self.now), [], "it has said of no room yet");
        let job = JobId(self.jobs);
        assert_eq!(self.slots(env, 0, free), [Effect::Assign { env, job }]);
        self.done(env, job.0);
        self.slots(env, free - 1, free);
        env
    }
}

#[test]
fn one_environment_starts_for_as_many_as_it_may_run_and_another_for_the_next() {
    let mut many = Many::new(9);
    let [Effect::Start { env, .. }] = many.invoke()[..] else { panic!("it starts") };
    assert_eq!(many.invoke(), [], "the same will serve it");
    assert!(matches!(many.invoke()[..], [Effect::Start { .. }]));
    assert_eq!(many.schedule.ready(env, many.now), []);
    assert_eq!(many.slots(env, 0, 1), [Effect::Assign { env, job: JobId(1) }]);
    assert_eq!(many.slots(env, 0, 1), [Effect::Assign { env, job: JobId(2) }]);
    assert_eq!(many.slots(env, 0, 0), []);
}

#[test]
fn who_asks_in_between_an_answer_and_the_next_slot_waits_for_that() {
    let mut many = Many::new(9);
    let env = many.ready(1);
    assert_eq!(many.invoke(), [Effect::Assign { env, job: JobId(2) }]);
    many.done(env, 2);
    assert_eq!(many.invoke(), [], "its slot is about to come back");
    assert_eq!(many.slots(env, 0, 1), [Effect::Assign { env, job: JobId(3) }]);
}

#[test]
fn room_that_does_not_come_is_waited_for_a_second() {
    let mut many = Many::new(9);
    let env = many.ready(1);
    assert_eq!(many.invoke(), [Effect::Assign { env, job: JobId(2) }]);
    assert_eq!(many.invoke(), []);
    let at = many.schedule.next_tick().expect("it is looked at again");
    assert_eq!(at - many.now, Duration::from_secs(1));
    assert!(matches!(many.pass(at - many.now)[..], [Effect::Start { .. }]));
    assert_eq!(many.slots(env, 0, 1), [Effect::Assign { env, job: JobId(3) }]);
}

#[test]
fn what_has_not_begun_in_one_that_leaves_is_served_by_another_and_it_ends_when_it_is_empty() {
    let mut many = Many::new(9);
    let env = many.ready(2);
    for job in [2, 3] {
        assert_eq!(many.invoke(), [Effect::Assign { env, job: JobId(job) }]);
    }
    assert_eq!(many.schedule.leaves(env, many.now), []);
    let back = many.schedule.back(env, JobId(3), many.now);
    check(&many.schedule);
    assert!(matches!(back[..], [Effect::Start { .. }]), "{back:?}");
    assert_eq!(many.done(env, 2), []);
    assert_eq!(many.schedule.gone(env, &Gone::Ended, many.now), []);
    check(&many.schedule);
}

#[test]
fn an_environment_that_is_gone_refuses_all_that_ran_in_it() {
    let mut many = Many::new(9);
    let env = many.ready(2);
    many.invoke();
    many.invoke();
    let effects = many.schedule.gone(env, &Gone::Failed("no".to_owned()), many.now);
    check(&many.schedule);
    let refused = |effect: &&Effect| matches!(effect, Effect::Refuse { .. });
    assert_eq!(effects.iter().filter(refused).count(), 2);
}

#[test]
fn an_idle_one_ends_in_its_time_and_a_busy_one_does_not() {
    let mut many = Many::new(9);
    let env = many.ready(2);
    assert_eq!(many.invoke(), [Effect::Assign { env, job: JobId(2) }]);
    assert_eq!(many.pass(IDLE_FOR * 2), []);
    many.done(env, 2);
    assert_eq!(many.pass(IDLE_FOR * 2), [Effect::End { env }]);
}

#[test]
fn an_idle_one_of_an_old_revision_ends_once_nobody_waits_for_that_revision() {
    let mut many = Many::new(9);
    let env = many.ready(1);
    assert_eq!(many.invoke(), [Effect::Assign { env, job: JobId(2) }]);
    assert_eq!(many.invoke(), []);
    let [Effect::Start { env: other, .. }] = many.pass(Duration::from_secs(1))[..] else {
        panic!("its slot does not come")
    };
    many.schedule.ready(other, many.now);
    assert_eq!(many.slots(other, 0, 1), [Effect::Assign { env: other, job: JobId(3) }]);
    many.schedule.retire("f", "$LATEST", Some("2"));
    assert_eq!(many.invoke(), [], "the newer one is thought to have room soon");
    assert_eq!((many.done(env, 2), many.done(other, 3)), (vec![], vec![]), "somebody waits");
    let last = Effect::Assign { env, job: JobId(4) };
    assert_eq!(many.slots(env, 0, 1), [last, Effect::End { env: other }]);
}

#[test]
fn what_comes_back_when_everything_has_been_killed_is_refused() {
    let mut many = Many::new(9);
    let env = many.ready(1);
    assert_eq!(many.invoke(), [Effect::Assign { env, job: JobId(2) }]);
    many.schedule.leaves(env, many.now);
    many.schedule.kill();
    let refused = Effect::Refuse { job: JobId(2), refused: Refused::ShuttingDown };
    let effects = many.schedule.back(env, JobId(2), many.now);
    check(&many.schedule);
    assert_eq!(effects[0], refused);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Start { .. })), "{effects:?}");
}

#[test]
fn workers_may_take_as_long_as_the_first_did() {
    let mut many = Many::new(9);
    let [Effect::Start { env, .. }] = many.invoke()[..] else { panic!("it starts") };
    many.now += Duration::from_secs(3);
    assert_eq!(many.schedule.ready(env, many.now), []);
    assert_eq!(many.slots(env, 0, 1), [Effect::Assign { env, job: JobId(1) }]);
    assert_eq!(many.invoke(), [], "the other worker loads the function");
    let at = many.schedule.next_tick().expect("it is looked at again");
    assert_eq!(at - many.now, Duration::from_secs(3));
    assert_eq!(many.slots(env, 0, 1), [Effect::Assign { env, job: JobId(2) }]);
}

#[test]
fn a_worker_that_is_gone_is_not_waited_for_however_often_another_answers() {
    let mut many = Many::new(9);
    let env = many.ready(2);
    for job in [2, 3] {
        assert_eq!(many.invoke(), [Effect::Assign { env, job: JobId(job) }]);
    }
    // One ends with its invocation, the other goes on.
    many.done(env, 2);
    for job in 4..8 {
        many.pass(Duration::from_millis(600));
        many.done(env, job - 1);
        assert_eq!(many.slots(env, 0, 1), []);
        assert_eq!(many.invoke(), [Effect::Assign { env, job: JobId(job) }]);
    }
    assert!(matches!(many.invoke()[..], [Effect::Start { .. }]), "no slot is about to come back");
}
