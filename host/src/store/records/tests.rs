//! What is kept, for how long, and what a reader finds.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;

use super::handle::{FILE_NAME, now_ms};
use super::*;
use crate::model::LogFormat;

const GROUP: &str = "/aws/lambda/hello";
const KEEP_ALL: Limits =
    Limits { log_bytes: 64 * 1024 * 1024, log_age: Duration::from_hours(24 * 365 * 100) };

fn open_at(path: &Path, limits: Limits) -> Records {
    Records::open(path, limits, |_| {}).unwrap()
}

fn entry(group: &str, stream: &str, at_ms: u64, text: &str) -> Entry {
    Entry {
        group: group.to_owned(),
        stream: stream.to_owned(),
        at_ms,
        format: LogFormat::Text,
        text: text.as_bytes().to_vec(),
    }
}

fn all() -> LogQuery {
    LogQuery {
        group: GROUP.to_owned(),
        streams: Streams::All,
        from_ms: 0,
        until_ms: u64::MAX,
        direction: Direction::Forward,
        beyond: None,
        limit: 1_000,
        limit_bytes: 1 << 20,
        keep: Arc::new(|_: &str| true),
    }
}

/// Of all pages.
async fn texts(records: &Records, mut query: LogQuery) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let page = records.log_events(query.clone()).await.unwrap().expect("the group is there");
        texts.extend(page.events.into_iter().map(|event| event.text));
        query.beyond = page.next;
        if query.beyond.is_none() {
            return texts;
        }
    }
}

#[tokio::test]
async fn events_come_back_in_order_by_stream_and_time_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let records = open_at(directory.path(), KEEP_ALL);
    for at in 0..10_u64 {
        let stream = if at % 2 == 0 { "even" } else { "odd" };
        records.log(entry(GROUP, stream, 1_000 + at, &format!("{at}\n")));
        if at == 4 {
            // Two commits.
            records.flush().await;
        }
    }
    records.log(entry("/aws/lambda/other", "s", 1, "not mine\n"));
    records.close().await;
    let records = open_at(directory.path(), KEEP_ALL);
    let found = texts(&records, all()).await;
    assert_eq!(found, (0..10).map(|at| format!("{at}\n")).collect::<Vec<_>>());
    let even = LogQuery { streams: Streams::Named(vec!["even".to_owned()]), ..all() };
    assert_eq!(texts(&records, even).await, ["0\n", "2\n", "4\n", "6\n", "8\n"]);
    let odd = LogQuery { streams: Streams::Prefix("od".to_owned()), from_ms: 1_003, ..all() };
    assert_eq!(texts(&records, odd).await, ["3\n", "5\n", "7\n", "9\n"]);
    let range = LogQuery { from_ms: 1_002, until_ms: 1_004, ..all() };
    assert_eq!(texts(&records, range).await, ["2\n", "3\n"]);
    let fitting = LogQuery { keep: Arc::new(|text: &str| text.contains('7')), ..all() };
    assert_eq!(texts(&records, fitting).await, ["7\n"]);
    let unknown = LogQuery { group: "nobody's".to_owned(), ..all() };
    assert!(records.log_events(unknown).await.unwrap().is_none());
    let unknown = LogQuery { streams: Streams::Named(vec!["none".to_owned()]), ..all() };
    assert!(records.log_events(unknown).await.unwrap().is_none());
}

#[tokio::test]
async fn pages_lead_from_one_to_the_next_in_both_directions_and_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let records = open_at(directory.path(), KEEP_ALL);
    for at in 0..25_u64 {
        records.log(entry(GROUP, "s", at, &at.to_string()));
        if at % 7 == 0 {
            records.flush().await;
        }
    }
    records.flush().await;
    for direction in [Direction::Forward, Direction::Backward] {
        let (mut found, mut beyond) = (Vec::new(), None);
        loop {
            let query = LogQuery { direction, beyond, limit: 4, ..all() };
            let page = records.log_events(query).await.unwrap().unwrap();
            assert!(page.events.len() <= 4);
            found.extend(page.events.into_iter().map(|event| event.at_ms));
            beyond = page.next;
            if beyond.is_none() {
                break;
            }
        }
        let mut expected: Vec<u64> = (0..25).collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        assert_eq!(found, expected, "{direction:?}");
    }
    // One event comes however large it is.
    let query = LogQuery { limit_bytes: 1, ..all() };
    assert_eq!(records.log_events(query).await.unwrap().unwrap().events.len(), 1);
}

#[tokio::test]
async fn the_largest_log_loses_its_oldest_part_and_the_disk_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 1024 * 1024;
    let records = open_at(directory.path(), Limits { log_bytes: limit, ..KEEP_ALL });
    records.log(entry("/aws/lambda/quiet", "s", 1, "still here\n"));
    let line = "x".repeat(1_000);
    for round in 0..40_u64 {
        for _ in 0..100 {
            records.log(entry(GROUP, &format!("stream-{round}"), 1_000 + round, &line));
        }
        records.flush().await;
    }
    let groups = records.log_groups(String::new(), String::new(), String::new(), 9).await.unwrap();
    assert_eq!(groups.len(), 2);
    let held: u64 = groups.iter().map(|group| group.bytes).sum();
    assert!(held <= limit && held > limit / 2, "{held}");
    let quiet = LogQuery { group: "/aws/lambda/quiet".to_owned(), ..all() };
    assert_eq!(texts(&records, quiet).await, ["still here\n"]);
    let page = records.log_events(LogQuery { direction: Direction::Backward, ..all() }).await;
    assert_eq!(page.unwrap().unwrap().events[0].at_ms, 1_039);
    // Streams of which nothing is left are gone.
    let order = StreamOrder::Name { prefix: String::new(), after: None };
    let streams = records.log_streams(GROUP.to_owned(), order, false, 100).await.unwrap().unwrap();
    assert!((5..=12).contains(&streams.len()), "{}", streams.len());
    records.close().await;
    let size = std::fs::metadata(directory.path().join(FILE_NAME)).unwrap().len();
    assert!(size < 2 * limit, "{size}");
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let directory = tempfile::tempdir().unwrap();
    let records =
        open_at(directory.path(), Limits { log_age: Duration::from_hours(1), ..KEEP_ALL });
    let hours = |hours: u64| now_ms() - hours * 3_600_000;
    records.log(entry(GROUP, "old", hours(2), "old\n"));
    records.flush().await;
    records.log(entry(GROUP, "new", hours(0), "new\n"));
    records.flush().await;
    assert_eq!(texts(&records, all()).await, ["new\n"]);
}

#[tokio::test]
async fn what_comes_too_fast_is_dropped_counted_and_said_where_it_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&said);
    let say = move |text: &str| hears.lock().unwrap().push(text.to_owned());
    let records = Records::open(directory.path(), KEEP_ALL, say).unwrap();
    records.log(entry(GROUP, "s", 1, "first\n"));
    records.flush().await;
    // The thread cannot commit while somebody else does.
    let other = Connection::open(directory.path().join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = "x".repeat(1 << 20);
    for _ in 0..100 {
        records.log(entry(GROUP, "s", 2, &large));
    }
    assert!(records.lost().events >= 36, "{:?}", records.lost());
    other.execute_batch("COMMIT").unwrap();
    records.flush().await;
    records.log(entry(GROUP, "s", 3, "last\n"));
    records.flush().await;
    let lost = records.lost();
    let fitting = LogQuery { keep: Arc::new(|text: &str| text.len() < 1_000), ..all() };
    let mut counted = Lost::default();
    let found = texts(&records, fitting).await;
    for text in &found {
        if let Some(rest) = text.strip_prefix("lambdabox: ") {
            let words: Vec<&str> = rest.split([' ', '(']).collect();
            counted
                .add(Lost { events: words[0].parse().unwrap(), bytes: words[4].parse().unwrap() });
        }
    }
    assert_eq!(counted, lost, "{found:?}");
    assert_eq!(
        (found.first().unwrap().as_str(), found.last().unwrap().as_str()),
        ("first\n", "last\n")
    );
    assert!(!said.lock().unwrap().is_empty());
}

#[tokio::test]
async fn noting_costs_little_and_waits_for_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let records = open_at(directory.path(), KEEP_ALL);
    let began = std::time::Instant::now();
    let events = 20_000_u32;
    for at in 0..events {
        records.log(entry(
            GROUP,
            "2026/11/25/[$LATEST]0123456789abcdef",
            at.into(),
            "START RequestId: x\n",
        ));
    }
    let each = began.elapsed() / events;
    records.flush().await;
    println!("{each:?} for each event to be noted, {:?} with writing", began.elapsed() / events);
    // A lock and three copies; the bound is for machines that do other things, too.
    assert!(each < Duration::from_micros(200), "{each:?}");
}

fn used(function: &str, day: &str, status: &'static str, start: StartKind) -> UsageRecord {
    UsageRecord {
        at_ms: 1,
        day: day.to_owned(),
        function: function.to_owned(),
        version: "$LATEST".to_owned(),
        request_id: "id".to_owned(),
        stream: "s".to_owned(),
        start,
        init_us: 10,
        duration_us: 2_000,
        billed_ms: 3,
        memory_mb: 128,
        storage_mb: 1_024,
        max_memory_mb: 40,
        status,
        cost_pico: 7,
    }
}

#[tokio::test]
async fn totals_are_the_sum_of_all_invocations_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let records = open_at(directory.path(), KEEP_ALL);
        records.used(used("a", "2026-11-25", "success", StartKind::Cold));
        records.used(used("a", "2026-11-25", "timeout", StartKind::Reset));
        records.flush().await;
        records.used(used("a", "2026-11-26", "success", StartKind::Warm));
        records.used(used("b", "2026-11-25", "error", StartKind::Warm));
        records.close().await;
    }
    let records = open_at(directory.path(), KEEP_ALL);
    let rows = records.usage().await.unwrap();
    let names: Vec<_> = rows.iter().map(|row| (row.function.as_str(), row.day.as_str())).collect();
    assert_eq!(names, [("a", "2026-11-25"), ("a", "2026-11-26"), ("b", "2026-11-25")]);
    let expected = Totals {
        invocations: 4,
        errors: 2,
        cold: 2,
        reset: 2,
        init_us: 40,
        billed_ms: 12,
        mb_ms: 12 * 128,
        storage_mb_ms: 12 * 512,
    };
    assert_eq!(rows[0].totals, expected);
}

#[tokio::test]
async fn totals_are_kept_also_while_nothing_can_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let records = open_at(directory.path(), KEEP_ALL);
    let other = Connection::open(directory.path().join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    records.used(used("a", "2026-11-25", "success", StartKind::Warm));
    // Tried, and given up.
    records.flush().await;
    other.execute_batch("COMMIT").unwrap();
    records.used(used("a", "2026-11-25", "success", StartKind::Warm));
    records.flush().await;
    assert_eq!(records.usage().await.unwrap()[0].totals.invocations, 2);
}
