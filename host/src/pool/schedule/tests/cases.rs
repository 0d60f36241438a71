//! One rule each.

use super::*;

/// A schedule, its clock, and the names of what it makes.
struct Case {
    schedule: Schedule,
    now: Instant,
    jobs: u64,
}

impl Case {
    fn new(settings: Settings) -> Self {
        Self { schedule: Schedule::new(settings), now: Instant::now(), jobs: 0 }
    }

    fn invoke(&mut self, need: &Need) -> Vec<Effect> {
        self.jobs += 1;
        let effects = self.schedule.invoke(JobId(self.jobs), need, self.now);
        check(&self.schedule);
        effects
    }

    fn ready(&mut self, env: EnvId) -> Vec<Effect> {
        let effects = self.schedule.ready(env, self.now);
        check(&self.schedule);
        effects
    }

    fn done(&mut self, env: EnvId) -> Vec<Effect> {
        self.done_as(env, Health::Ready)
    }

    fn done_as(&mut self, env: EnvId, health: Health) -> Vec<Effect> {
        let job = self.schedule.envs[&env].jobs.first().copied().expect("it is busy");
        let effects = self.schedule.done(env, job, health, self.now);
        check(&self.schedule);
        effects
    }

    fn gone(&mut self, env: EnvId) -> Vec<Effect> {
        let effects = self.schedule.gone(env, &Gone::Ended, self.now);
        check(&self.schedule);
        effects
    }

    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.now += time;
        let effects = self.schedule.tick(self.now);
        check(&self.schedule);
        effects
    }

    /// An environment that has served one invocation and idles.
    fn warm(&mut self, need: &Need, init: Duration) -> EnvId {
        let env = started(&self.invoke(need));
        self.now += init;
        let job = JobId(self.jobs);
        assert_eq!(self.ready(env), [Effect::Assign { env, job }]);
        assert_eq!(self.done(env), []);
        env
    }
}

fn started(effects: &[Effect]) -> EnvId {
    let [Effect::Start { env, .. }] = effects else { panic!("{effects:?} is not one start") };
    *env
}

fn refused(effects: &[Effect]) -> &Refused {
    let [Effect::Refuse { refused, .. }] = effects else { panic!("{effects:?} is no refusal") };
    refused
}

const INIT: Duration = Duration::from_millis(20);

#[test]
fn an_idle_environment_of_the_same_version_serves_and_no_other() {
    let mut case = Case::new(settings(10));
    let env = case.warm(&need("f", "1"), INIT);
    assert_eq!(case.invoke(&need("f", "1")), [Effect::Assign { env, job: JobId(2) }]);
    case.done(env);
    assert_ne!(started(&case.invoke(&need("f", "2"))), env);
    assert_ne!(started(&case.invoke(&need("g", "1"))), env);
}

#[test]
fn as_many_at_once_are_as_many_environments() {
    let mut case = Case::new(settings(10));
    let envs: BTreeSet<EnvId> = (0..8).map(|_| started(&case.invoke(&need("f", "1")))).collect();
    assert_eq!(envs.len(), 8);
}

#[test]
fn the_most_recently_used_serves_first() {
    let mut case = Case::new(settings(10));
    let envs: Vec<EnvId> = (0..3).map(|_| started(&case.invoke(&need("f", "1")))).collect();
    envs.iter().for_each(|env| drop(case.ready(*env)));
    for env in [envs[2], envs[0], envs[1]] {
        case.done(env);
    }
    assert_eq!(case.invoke(&need("f", "1")), [Effect::Assign { env: envs[1], job: JobId(4) }]);
    assert_eq!(case.invoke(&need("f", "1")), [Effect::Assign { env: envs[0], job: JobId(5) }]);
}

#[test]
fn who_has_work_for_its_environment_keeps_it_from_those_who_have_as_many() {
    let mut case = Case::new(settings(2));
    let [f, g] = ["f", "g"].map(|name| need(name, "1"));
    let envs = [&f, &g].map(|need| started(&case.invoke(need)));
    assert_eq!(case.ready(envs[0]), [Effect::Assign { env: envs[0], job: JobId(1) }]);
    assert_eq!(case.ready(envs[1]), [Effect::Assign { env: envs[1], job: JobId(2) }]);
    // One more of each, the other's first.
    assert_eq!((case.invoke(&g), case.invoke(&f)), (vec![], vec![]));
    assert_eq!(case.done(envs[0]), [Effect::Assign { env: envs[0], job: JobId(4) }]);
    assert_eq!(case.done(envs[1]), [Effect::Assign { env: envs[1], job: JobId(3) }]);
    // With nothing to do it goes for whoever waits.
    assert_eq!(case.invoke(&g), []);
    assert_eq!(case.done(envs[0]), [Effect::End { env: envs[0] }]);
}

#[test]
fn who_has_no_environment_gets_one_of_those_who_have_work_and_who_has_few_of_those_who_have_many() {
    let mut case = Case::new(settings(4));
    let [f, g] = ["f", "g"].map(|name| need(name, "1"));
    let envs: Vec<EnvId> = (0..4).map(|_| started(&case.invoke(&f))).collect();
    envs.iter().for_each(|env| drop(case.ready(*env)));
    for need in [&g, &g, &g, &f, &f, &f] {
        assert_eq!(case.invoke(need), []);
    }
    // None and four; then one and three; then two and two.
    for env in &envs[..2] {
        assert_eq!(case.done(*env), [Effect::End { env: *env }]);
        let fresh = started(&case.gone(*env));
        assert!(matches!(case.ready(fresh)[..], [Effect::Assign { env, .. }] if env == fresh));
    }
    assert_eq!(case.done(envs[2]), [Effect::Assign { env: envs[2], job: JobId(8) }]);
}

#[test]
fn one_with_a_runtime_serves_before_one_that_was_reset() {
    let mut case = Case::new(settings(10));
    let (a, b) = (started(&case.invoke(&need("f", "1"))), started(&case.invoke(&need("f", "1"))));
    case.ready(a);
    case.ready(b);
    case.done(a);
    case.done_as(b, Health::Reset);
    assert_eq!(case.invoke(&need("f", "1")), [Effect::Assign { env: a, job: JobId(3) }]);
    assert_eq!(case.invoke(&need("f", "1")), [Effect::Assign { env: b, job: JobId(4) }]);
}

#[test]
fn whoever_is_free_first_serves_the_one_that_waited_longest() {
    let mut case = Case::new(settings(10));
    let warm = case.warm(&need("f", "1"), INIT);
    case.invoke(&need("f", "1"));
    let cold = started(&case.invoke(&need("f", "1")));
    assert_eq!(case.done(warm), [Effect::Assign { env: warm, job: JobId(3) }]);
    // What was started for it is a spare now.
    assert_eq!(case.ready(cold), []);
    assert_eq!(case.invoke(&need("f", "1")), [Effect::Assign { env: cold, job: JobId(4) }]);
}

#[test]
fn an_idle_environment_ends_after_its_time_and_not_before() {
    let mut case = Case::new(settings(10));
    let env = case.warm(&need("f", "1"), INIT);
    assert_eq!(case.schedule.next_tick(), Some(case.now + IDLE_FOR));
    assert_eq!(case.pass(IDLE_FOR - Duration::from_millis(1)), []);
    assert_eq!(case.pass(Duration::from_millis(1)), [Effect::End { env }]);
    case.gone(env);
    assert_eq!((case.schedule.promised_mb, case.schedule.next_tick()), (0, None));
}

#[test]
fn memory_is_wanted_so_the_idle_one_that_will_be_missed_least_ends_and_no_more() {
    let mut case = Case::new(settings(3));
    let slow = case.warm(&need("slow", "1"), Duration::from_secs(2));
    let quick = case.warm(&need("quick", "1"), INIT);
    let middle = case.warm(&need("middle", "1"), INIT * 20);
    assert_eq!(case.invoke(&need("new", "1")), [Effect::End { env: quick }]);
    // Its memory is not there before it is gone.
    assert_eq!(case.pass(Duration::from_secs(1)), []);
    started(&case.gone(quick));
    assert_eq!(case.invoke(&need("newer", "1")), [Effect::End { env: middle }]);
    assert!(matches!(case.schedule.envs[&slow].stand, Stand::Idle { .. }));
}

#[test]
fn one_that_was_reset_ends_first() {
    let mut case = Case::new(settings(2));
    let reset = case.warm(&need("reset", "1"), Duration::from_secs(9));
    assert_eq!(case.invoke(&need("reset", "1")), [Effect::Assign { env: reset, job: JobId(2) }]);
    case.done_as(reset, Health::Reset);
    case.warm(&need("f", "1"), INIT);
    assert_eq!(case.invoke(&need("g", "1")), [Effect::End { env: reset }]);
}

#[test]
fn without_room_it_waits_for_its_time_and_is_refused_with_the_figures() {
    let mut case = Case::new(settings(1));
    started(&case.invoke(&need("f", "1")));
    assert_eq!(case.invoke(&need("g", "1")), []);
    assert_eq!(case.pass(WITHIN - Duration::from_millis(1)), []);
    let effects = case.pass(Duration::from_millis(1));
    assert_eq!(*refused(&effects), Refused::NoMemory { needed_mb: 136, free_mb: 0 });
}

#[test]
fn who_can_never_have_its_memory_is_refused_at_once() {
    let mut case = Case::new(settings(1));
    let large = Need { memory_mb: 1_024, ..need("f", "1") };
    let effects = case.invoke(&large);
    assert_eq!(*refused(&effects), Refused::NoMemory { needed_mb: 1_032, free_mb: 136 });
}

#[test]
fn a_large_one_that_waits_is_not_passed_by_a_small_one() {
    let mut case = Case::new(settings(4));
    let busy: Vec<EnvId> = (0..3).map(|_| started(&case.invoke(&need("f", "1")))).collect();
    let large = Need { memory_mb: 264, ..need("large", "1") };
    assert_eq!(case.invoke(&large), []);
    assert_eq!(case.invoke(&need("small", "1")), []);
    busy.iter().for_each(|env| drop(case.ready(*env)));
    let effects = case.gone(busy[0]);
    let [Effect::Refuse { .. }, Effect::Start { key, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(key.function, "large");
}

#[test]
fn reserved_concurrency_is_a_limit_over_all_revisions_and_a_share_of_the_accounts() {
    let mut case = Case::new(Settings { account_concurrency: 3, ..settings(10) });
    let reserved = |revision| Need { reserved: Some(2), ..need("r", revision) };
    started(&case.invoke(&reserved("1")));
    started(&case.invoke(&reserved("2")));
    assert_eq!(*refused(&case.invoke(&reserved("2"))), Refused::ReservedConcurrency);
    started(&case.invoke(&need("f", "1")));
    assert_eq!(*refused(&case.invoke(&need("g", "1"))), Refused::AccountConcurrency);
    let none = Need { reserved: Some(0), ..need("z", "1") };
    assert_eq!(*refused(&case.invoke(&none)), Refused::ReservedConcurrency);
}

#[test]
fn a_new_revision_ends_idle_environments_of_the_old_and_lets_busy_ones_finish() {
    let mut case = Case::new(settings(10));
    let busy = case.warm(&need("f", "1"), INIT);
    case.invoke(&need("f", "1"));
    let other = started(&case.invoke(&need("f", "1")));
    case.ready(other);
    case.done(other);
    let effects = case.schedule.retire("f", "$LATEST", Some("2"));
    assert_eq!(effects, [Effect::End { env: other }]);
    started(&case.invoke(&need("f", "2")));
    assert_eq!(case.done(busy), [Effect::End { env: busy }]);
    assert_eq!(case.schedule.retire("f", "$LATEST", Some("2")), []);
}

#[test]
fn a_start_that_fails_is_told_to_one_of_those_that_waited_for_it() {
    let mut case = Case::new(settings(10));
    let a = started(&case.invoke(&need("f", "1")));
    started(&case.invoke(&need("f", "1")));
    let effects = case.schedule.gone(a, &Gone::Failed("no".to_owned()), case.now);
    let refused = Refused::Sandbox("no".to_owned());
    assert_eq!(effects, [Effect::Refuse { job: JobId(1), refused }]);
    check(&case.schedule);
}

#[test]
fn an_environment_that_is_gone_answers_for_its_invocation() {
    let mut case = Case::new(settings(10));
    let env = started(&case.invoke(&need("f", "1")));
    case.ready(env);
    let effects = case.schedule.gone(env, &Gone::Failed("it panicked".to_owned()), case.now);
    assert_eq!(*refused(&effects), Refused::Sandbox("it panicked".to_owned()));
    check(&case.schedule);
}

#[test]
fn memory_of_an_environment_that_could_not_be_ended_does_not_come_back() {
    let mut case = Case::new(settings(1));
    let env = case.warm(&need("f", "1"), INIT);
    case.schedule.retire("f", "$LATEST", None);
    assert_eq!(case.schedule.gone(env, &Gone::Lost("stuck".to_owned()), case.now), []);
    check(&case.schedule);
    assert_eq!(case.invoke(&need("f", "1")), []);
    assert_eq!((case.schedule.promised_mb, case.schedule.lost_mb), (136, 136));
}

#[test]
fn a_broken_environment_gets_nothing_any_more() {
    let mut case = Case::new(settings(10));
    let env = started(&case.invoke(&need("f", "1")));
    case.ready(env);
    assert_eq!(case.done_as(env, Health::Broken), []);
    assert_ne!(started(&case.invoke(&need("f", "1"))), env);
}

#[test]
fn no_more_than_so_many_start_at_once() {
    let mut case = Case::new(Settings { starts_at_once: 2, ..settings(10) });
    let first = started(&case.invoke(&need("f", "1")));
    started(&case.invoke(&need("g", "1")));
    assert_eq!(case.invoke(&need("h", "1")), []);
    let effects = case.ready(first);
    assert!(matches!(effects[..], [Effect::Assign { .. }, Effect::Start { .. }]), "{effects:?}");
}

#[test]
fn closing_refuses_what_is_new_and_finishes_what_was_accepted() {
    let mut case = Case::new(settings(2));
    let idle = case.warm(&need("idle", "1"), INIT);
    let busy = started(&case.invoke(&need("f", "1")));
    case.ready(busy);
    assert_eq!(case.schedule.close(), [Effect::End { env: idle }]);
    assert_eq!(*refused(&case.invoke(&need("f", "1"))), Refused::ShuttingDown);
    case.gone(idle);
    assert_eq!(case.done(busy), [Effect::End { env: busy }]);
    assert!(!case.schedule.is_drained());
    case.gone(busy);
    assert!(case.schedule.is_drained());
}

#[test]
fn killing_answers_those_who_wait_and_ends_every_environment() {
    let mut case = Case::new(settings(1));
    let env = started(&case.invoke(&need("f", "1")));
    case.ready(env);
    case.invoke(&need("g", "1"));
    let effects = case.schedule.kill();
    let refused = Refused::ShuttingDown;
    assert_eq!(
        effects,
        [Effect::Refuse { job: JobId(2), refused: refused.clone() }, Effect::Kill { env }]
    );
    assert_eq!(case.gone(env), [Effect::Refuse { job: JobId(1), refused }]);
    assert!(case.schedule.is_drained());
}

#[test]
fn who_calls_again_before_the_environment_is_free_waits_for_it_but_not_for_long() {
    let mut case = Case::new(settings(9));
    let limited = Need { reserved: Some(1), ..need("f", "1") };
    let env = case.warm(&limited, Duration::ZERO);
    for _ in 0..2 {
        let effects = case.invoke(&limited);
        assert_eq!(effects, [Effect::Assign { env, job: JobId(case.jobs) }]);
        case.schedule.answered(env, JobId(case.jobs), case.now);
        check(&case.schedule);
        assert_eq!(case.invoke(&limited), [], "it is about to be free, and one more is in flight");
        let [Effect::Refuse { .. }] = case.invoke(&limited)[..] else { panic!("that is all") };
        let waiting = JobId(case.jobs - 1);
        assert_eq!(case.done(env), [Effect::Assign { env, job: waiting }]);
        assert_eq!(case.done(env), []);
    }
    let effects = case.invoke(&limited);
    assert_eq!(effects, [Effect::Assign { env, job: JobId(case.jobs) }]);
    case.schedule.answered(env, JobId(case.jobs), case.now);
    assert_eq!(case.invoke(&limited), []);
    let at = case.schedule.next_tick().expect("it is looked at again");
    assert_eq!(at - case.now, FINISHES_WITHIN);
    assert!(matches!(case.pass(FINISHES_WITHIN)[..], [Effect::Start { .. }]));
}
