//! What is kept, and what a second start finds.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

pub(crate) fn record_named(name: &str) -> FunctionRecord {
    record(name, "r")
}

fn record(name: &str, revision: &str) -> FunctionRecord {
    FunctionRecord {
        name: name.to_owned(),
        version: "$LATEST".to_owned(),
        revision: revision.to_owned(),
        deployment: "d1".to_owned(),
        modified: "2026-01-01T00:00:00.000+0000".to_owned(),
        configuration: Configuration {
            runtime: "python3.11".to_owned(),
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            handler: "app.handler".to_owned(),
            description: String::new(),
            timeout_seconds: 3,
            memory_mb: 128,
            ephemeral_storage_mb: 512,
            architecture: "x86_64".to_owned(),
            environment: Some(BTreeMap::from([("A1".to_owned(), "b".to_owned())])),
            layers: Vec::new(),
            tracing: "PassThrough".to_owned(),
            dead_letter_target: None,
            kms_key_arn: None,
            vpc: None,
            logging: Logging {
                format: "Text".to_owned(),
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{name}"),
            },
            snap_start: "None".to_owned(),
            is_per_tenant: false,
            capacity_provider: None,
        },
        code: Code { sha256: format!("sha-of-{name}"), bytes: 10, unpacked_bytes: 20 },
        state: State::Pending,
        update: None,
        reserved: None,
        tags: BTreeMap::from([("team".to_owned(), "x".to_owned())]),
    }
}

fn event(function: &str, accepted_ms: u64) -> QueuedEvent {
    QueuedEvent {
        function: function.to_owned(),
        arn: format!("arn:{function}"),
        request_id: format!("id-{accepted_ms}"),
        trace_id: "Root=1".to_owned(),
        tenant_id: None,
        accepted_ms,
        payload: b"{}".to_vec(),
    }
}

fn layer(name: &str) -> LayerRecord {
    LayerRecord {
        name: name.to_owned(),
        version: 0,
        description: String::new(),
        created: String::new(),
        runtimes: Vec::new(),
        architectures: Vec::new(),
        license: None,
        code: Code { sha256: format!("layer-{name}"), bytes: 1, unpacked_bytes: 1 },
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_new_start() {
    let directory = tempfile::tempdir().unwrap();
    let written = record("one", "r1");
    {
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(
            store.put_function(written.clone(), Expected::Absent).await.unwrap(),
            Put::Stored
        );
        store.reserve("one", Some(7), 900).await.unwrap();
        store.enqueue(event("one", 5)).await.unwrap();
        store.publish_layer(layer("l")).await.unwrap();
        store.set("account", "x".to_owned()).await.unwrap();
        // Not closed: a copy of the files as a kill would leave them.
        let copy = tempfile::tempdir().unwrap();
        for name in ["store.sqlite3", "store.sqlite3-wal"] {
            std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
        }
        let again = Store::open(copy.path()).unwrap();
        let found = again.function("one", "$LATEST").await.unwrap().unwrap();
        assert_eq!(found, FunctionRecord { reserved: Some(7), ..written.clone() });
        let leased = again.lease(10, 20, 10, Vec::new()).await.unwrap();
        assert_eq!(leased[0].event, event("one", 5));
        assert_eq!(again.layer("l", 1).await.unwrap().unwrap().code.sha256, "layer-l");
        assert_eq!(again.setting("account").await.unwrap().as_deref(), Some("x"));
    }
}

#[tokio::test]
async fn a_change_needs_what_was_seen() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let put = async |record, expected| store.put_function(record, expected).await.unwrap();
    assert_eq!(put(record("f", "r1"), Expected::Revision("r0".into())).await, Put::Conflict);
    assert_eq!(put(record("f", "r1"), Expected::Absent).await, Put::Stored);
    assert_eq!(put(record("f", "r2"), Expected::Absent).await, Put::Conflict);
    assert_eq!(put(record("f", "r2"), Expected::Revision("r1".into())).await, Put::Stored);
    assert_eq!(put(record("f", "r3"), Expected::Revision("r1".into())).await, Put::Conflict);
    assert_eq!(store.function("f", "$LATEST").await.unwrap().unwrap().revision, "r2");
    assert_eq!(store.delete_function("f").await.unwrap(), Dead::Deleted);
    assert_eq!(store.delete_function("f").await.unwrap(), Dead::Absent);
    assert_eq!(store.function("f", "$LATEST").await.unwrap(), None);
}

#[tokio::test]
async fn functions_are_listed_by_name_from_where_the_last_page_ended() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for name in ["b", "a", "d", "c"] {
        store.put_function(record(name, "r"), Expected::Absent).await.unwrap();
    }
    let names = async |after: Option<&str>, limit| -> Vec<String> {
        let page = store.functions("$LATEST", after.map(str::to_owned), limit).await.unwrap();
        page.into_iter().map(|record| record.name).collect()
    };
    assert_eq!(names(None, 3).await, ["a", "b", "c"]);
    assert_eq!(names(Some("b"), 3).await, ["c", "d"]);
    assert_eq!(store.usage().await.unwrap(), (4, 40));
}

#[tokio::test]
async fn reservations_leave_something_for_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for name in ["a", "b"] {
        store.put_function(record(name, "r"), Expected::Absent).await.unwrap();
    }
    assert_eq!(store.reserve("a", Some(600), 900).await.unwrap(), Reserve::Stored);
    assert_eq!(store.reserve("b", Some(301), 900).await.unwrap(), Reserve::TooMuch);
    assert_eq!(store.reserve("b", Some(300), 900).await.unwrap(), Reserve::Stored);
    assert_eq!(store.reserve("a", Some(500), 900).await.unwrap(), Reserve::Stored);
    assert_eq!(store.reserve("b", None, 900).await.unwrap(), Reserve::Stored);
    assert_eq!(store.reserve("zzz", Some(1), 900).await.unwrap(), Reserve::NoFunction);
    assert_eq!(store.reserved().await.unwrap(), 500);
}

#[tokio::test]
async fn an_event_is_in_one_hand_until_its_lease_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for ms in [100, 101] {
        store.enqueue(event("f", ms)).await.unwrap();
    }
    assert_eq!(store.next_due_ms(Vec::new()).await.unwrap(), Some(100));
    assert_eq!(store.lease(99, 1_000, 10, Vec::new()).await.unwrap(), []);
    assert_eq!(store.lease(200, 1_000, 1, vec!["f".to_owned()]).await.unwrap(), []);
    assert_eq!(store.next_due_ms(vec!["f".to_owned()]).await.unwrap(), None);
    let first = store.lease(200, 1_000, 1, Vec::new()).await.unwrap();
    assert_eq!((first.len(), first[0].attempts), (1, 1));
    let second = store.lease(200, 1_000, 10, Vec::new()).await.unwrap();
    assert_eq!(second[0].event.request_id, "id-101");
    assert_eq!(store.next_due_ms(Vec::new()).await.unwrap(), Some(1_000));
    // The first holder vanished; the second could not run it now.
    store.give_back(second[0].id, 5_000).await.unwrap();
    let again = store.lease(1_001, 2_000, 10, Vec::new()).await.unwrap();
    assert_eq!((again.len(), again[0].id, again[0].attempts), (1, first[0].id, 2));
    store.done(again[0].id).await.unwrap();
    assert_eq!(store.queue_depth().await.unwrap(), (1, Some(101)));
    let later = store.lease(5_000, 6_000, 10, Vec::new()).await.unwrap();
    assert_eq!(later[0].attempts, 2);
    store.forget_leases().await.unwrap();
    assert_eq!(store.lease(5_000, 6_000, 10, Vec::new()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn numbers_of_deleted_layer_versions_are_not_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for expected in 1..=3 {
        assert_eq!(store.publish_layer(layer("l")).await.unwrap().version, expected);
    }
    assert_eq!(store.delete_layer("l", 3).await.unwrap(), Dead::Deleted);
    assert_eq!(store.delete_layer("l", 3).await.unwrap(), Dead::Absent);
    assert_eq!(store.publish_layer(layer("l")).await.unwrap().version, 4);
    let versions = store.layer_versions("l", None).await.unwrap();
    let versions: Vec<u64> = versions.iter().map(|layer| layer.version).collect();
    assert_eq!(versions, [4, 2, 1]);
    assert_eq!(store.layer_versions("l", Some(2)).await.unwrap().len(), 1);
    assert_eq!(store.layers(Some("l".to_owned())).await.unwrap(), []);
}

#[tokio::test]
async fn many_askers_share_a_transaction_and_one_that_fails_takes_nobody_along() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                if number % 10 == 0 {
                    let wrong = store.ask(|transaction| {
                        transaction.execute("INSERT INTO settings VALUES ('wrong', 'x')", [])?;
                        transaction.execute("INSERT INTO nothing VALUES (1)", [])?;
                        Ok(())
                    });
                    assert!(matches!(wrong.await, Err(StoreError::Database(_))));
                } else {
                    let name = format!("f{number}");
                    store.put_function(record(&name, "r"), Expected::Absent).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.functions("$LATEST", None, 1_000).await.unwrap().len(), 180);
    assert_eq!(store.setting("wrong").await.unwrap(), None);
}

#[tokio::test]
async fn a_file_of_a_newer_lambdabox_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path()).unwrap());
    let path = directory.path().join("store.sqlite3");
    let opened = || rusqlite::Connection::open(&path);
    // The thread of the first store may still be closing the file.
    let changed = (0..1_000).any(|_| {
        let changed = opened().and_then(|c| c.pragma_update(None, "user_version", 99));
        changed.is_ok() || {
            std::thread::yield_now();
            false
        }
    });
    assert!(changed);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, known: 2, .. }), "{error}");
}

#[test]
fn a_second_host_is_told_who_has_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let held = DirectoryLock::take(directory.path()).unwrap();
    let error = DirectoryLock::take(directory.path()).unwrap_err().to_string();
    let pid = std::process::id();
    assert!(error.ends_with(&format!("another lambdabox serve (process {pid}) has it")), "{error}");
    drop(held);
    DirectoryLock::take(directory.path()).unwrap();
}

#[test]
fn a_blob_stays_while_it_is_pinned_or_needed() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(directory.path()).unwrap();
    let pinned = blobs.keep(b"hello").unwrap();
    let sha256 = pinned.blob().sha256.clone();
    assert_eq!(sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!(
        (pinned.blob().bytes, std::fs::read(blobs.path(&sha256)).unwrap()),
        (5, b"hello".to_vec())
    );
    let nothing = BTreeSet::new();
    assert!(blobs.sweep(&nothing).unwrap().is_empty());
    let again = blobs.keep(b"hello").unwrap();
    drop(pinned);
    assert!(blobs.sweep(&nothing).unwrap().is_empty());
    drop(again);
    assert!(blobs.sweep(&BTreeSet::from([sha256.clone()])).unwrap().is_empty());
    assert_eq!(blobs.sweep(&nothing).unwrap(), std::slice::from_ref(&sha256));
    assert!(!blobs.path(&sha256).exists());
    std::fs::write(directory.path().join("blobs/.incoming-x"), "half").unwrap();
    Blobs::open(directory.path()).unwrap();
    assert_eq!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count(), 0);
}
