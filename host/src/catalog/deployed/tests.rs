//! Deploying on a plain directory, without any sandbox.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::store::{FunctionRecord, LastUpdate, State, UpdateStatus};

fn zip(text: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("app.py", SimpleFileOptions::default()).unwrap();
    zip.write_all(text.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

pub(crate) fn tiny_zip() -> Vec<u8> {
    zip("")
}

fn record(name: &str, taken: &Taken) -> FunctionRecord {
    FunctionRecord { code: taken.code.clone(), ..crate::store::sample_record(name) }
}

struct Place {
    data: tempfile::TempDir,
    code: tempfile::TempDir,
    changes: Arc<Mutex<Vec<Change>>>,
}

impl Place {
    fn new() -> Self {
        let (data, code) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Self { data, code, changes: Arc::default() }
    }

    async fn open(&self) -> Arc<Deployed> {
        let changes = Arc::clone(&self.changes);
        Deployed::open(Opening {
            data_dir: self.data.path(),
            identity: Identity { account: "0".repeat(12), region: "us-east-1".to_owned() },
            allowed: vec![self.code.path().canonicalize().unwrap()],
            object_store: None,
            observer: Arc::new(move |change| changes.lock().unwrap().push(change)),
        })
        .await
        .unwrap()
    }

    fn packages(&self) -> Vec<PathBuf> {
        let boots = entries(&self.data.path().join("packages"));
        boots.iter().flat_map(|boot| entries(boot)).collect()
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn created(deployed: &Arc<Deployed>, name: &str, text: &str) -> FunctionRecord {
    let taken = deployed.take_in(Source::Zip(zip(text).into())).await.unwrap();
    deployed.create(record(name, &taken)).await.unwrap()
}

async fn settled(deployed: &Arc<Deployed>, name: &str) -> FunctionRecord {
    loop {
        let record = deployed.find(name).await.unwrap();
        if record.state != State::Pending
            && record.update.as_ref().is_none_or(|u| u.status != UpdateStatus::InProgress)
        {
            return record;
        }
        tokio::task::yield_now().await;
    }
}

fn code_of(version: &crate::model::Version) -> String {
    std::fs::read_to_string(version.code.join("app.py")).unwrap()
}

#[tokio::test]
async fn a_new_function_is_pending_then_active_with_another_revision() {
    let place = Place::new();
    let deployed = place.open().await;
    let pending = created(&deployed, "f", "one").await;
    assert_eq!((pending.state.clone(), pending.update.clone()), (State::Pending, None));
    let pending_is_told =
        |answer| matches!(answer, Err(DeployError::NotActive { state: "Pending", .. }));
    assert!(pending_is_told(Deployed::check_changeable(&pending, None)));
    assert!(pending_is_told(Deployed::check_invocable(&pending)));
    let active = settled(&deployed, "f").await;
    assert_eq!(active.state, State::Active);
    assert!(Deployed::check_changeable(&active, Some(&active.revision)).is_ok());
    let failed =
        FunctionRecord { state: State::Failed { reason: String::new() }, ..active.clone() };
    let answer = Deployed::check_invocable(&failed);
    assert!(matches!(answer, Err(DeployError::NotActive { state: "Failed", .. })));
    assert_eq!(active.update, Some(LastUpdate { status: UpdateStatus::Successful, reason: None }));
    assert_ne!(active.revision, pending.revision);
    assert_eq!(active.deployment, pending.deployment);
    assert_eq!(code_of(&deployed.resolve("f").await.unwrap()), "one");
    let taken = deployed.take_in(Source::Zip(zip("x").into())).await.unwrap();
    let twice = deployed.create(record("f", &taken)).await;
    assert!(matches!(twice, Err(DeployError::Exists { .. })));
    assert!(matches!(deployed.resolve("g").await, Err(DeployError::NoFunction { .. })));
}

#[tokio::test]
async fn an_update_serves_when_it_is_finished_and_the_old_code_stays_while_it_is_held() {
    let place = Place::new();
    let deployed = place.open().await;
    created(&deployed, "f", "one").await;
    let before = settled(&deployed, "f").await;
    let old = deployed.resolve("f").await.unwrap();
    let taken = deployed.take_in(Source::Zip(zip("two").into())).await.unwrap();
    let after = FunctionRecord { code: taken.code.clone(), ..before.clone() };
    let changing = deployed.update(&before, after.clone()).await.unwrap();
    assert_eq!(changing.update.clone().unwrap().status, UpdateStatus::InProgress);
    assert!(matches!(Deployed::check_changeable(&changing, None), Err(DeployError::Busy { .. })));
    let stale = deployed.update(&before, after).await;
    assert!(matches!(stale, Err(DeployError::Busy { .. })));
    let settled = settled(&deployed, "f").await;
    assert!(Deployed::check_changeable(&settled, Some(&settled.revision)).is_ok());
    assert!(matches!(
        Deployed::check_changeable(&settled, Some("another")),
        Err(DeployError::Stale { .. })
    ));
    let new = deployed.resolve("f").await.unwrap();
    assert_eq!((code_of(&new).as_str(), code_of(&old).as_str()), ("two", "one"));
    assert_ne!(new.revision, old.revision);
    drop(taken);
    deployed.sweep().await.unwrap();
    assert_eq!(code_of(&old), "one", "somebody holds it");
    place.changes.lock().unwrap().clear();
    drop(old);
    deployed.sweep().await.unwrap();
    assert_eq!(place.packages(), std::slice::from_ref(&new.code));
}

#[tokio::test]
async fn a_reservation_changes_what_serves_and_not_the_environments() {
    let place = Place::new();
    let deployed = place.open().await;
    created(&deployed, "f", "one").await;
    settled(&deployed, "f").await;
    let old = deployed.resolve("f").await.unwrap();
    deployed.reserve("f", Some(0), 900).await.unwrap();
    let new = deployed.resolve("f").await.unwrap();
    assert_eq!((new.reserved_concurrency, &new.revision), (Some(0), &old.revision));
    let changes = place.changes.lock().unwrap();
    assert!(matches!(&changes[..], [Change::Replaced { .. }]), "{changes:?}");
}

#[tokio::test]
async fn a_deleted_function_is_gone_and_so_is_its_package() {
    let place = Place::new();
    let deployed = place.open().await;
    created(&deployed, "f", "one").await;
    settled(&deployed, "f").await;
    drop(deployed.resolve("f").await.unwrap());
    deployed.delete("f").await.unwrap();
    assert!(matches!(deployed.delete("f").await, Err(DeployError::NoFunction { .. })));
    assert!(matches!(deployed.resolve("f").await, Err(DeployError::NoFunction { .. })));
    assert!(matches!(&place.changes.lock().unwrap()[..], [Change::Removed { .. }]));
    place.changes.lock().unwrap().clear();
    deployed.sweep().await.unwrap();
    assert_eq!(place.packages(), Vec::<PathBuf>::new());
    assert_eq!(std::fs::read_dir(place.data.path().join("blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_new_start_finishes_what_was_under_way_and_unpacks_what_is_missing() {
    let place = Place::new();
    {
        let deployed = place.open().await;
        let taken = deployed.take_in(Source::Zip(zip("one").into())).await.unwrap();
        // As a kill right after the commit leaves it.
        let pending = FunctionRecord { deployment: "d".to_owned(), ..record("f", &taken) };
        deployed.store().put_function(pending, crate::store::Expected::Absent).await.unwrap();
        // As another boot leaves it.
        let boot = entries(&place.data.path().join("packages")).remove(0);
        std::fs::rename(&boot, boot.with_file_name("an-earlier-boot")).unwrap();
        let all = deployed.store().functions("$LATEST", None, 10).await.unwrap();
        assert_eq!(all[0].state, State::Pending);
    }
    let deployed = loop {
        // The thread of the first store may still be closing the file.
        let opening = Opening {
            data_dir: place.data.path(),
            identity: Identity { account: "0".repeat(12), region: "us-east-1".to_owned() },
            allowed: Vec::new(),
            object_store: None,
            observer: Arc::new(|_| {}),
        };
        if let Ok(deployed) = Deployed::open(opening).await {
            break deployed;
        }
    };
    assert_eq!(deployed.find("f").await.unwrap().state, State::Active);
    assert_eq!(entries(&place.data.path().join("packages")).len(), 1);
    assert_eq!(code_of(&deployed.resolve("f").await.unwrap()), "one");
}

#[tokio::test]
async fn a_directory_is_taken_as_it_is_now_and_only_below_an_allowed_one() {
    let place = Place::new();
    let deployed = place.open().await;
    let code = place.code.path().join("fn");
    std::fs::create_dir_all(code.join("sub")).unwrap();
    std::fs::write(code.join("app.py"), "now").unwrap();
    std::fs::write(code.join("sub/b.py"), "b").unwrap();
    let take = async |path: &Path| deployed.take_in(Source::Directory(path.to_owned())).await;
    let first = take(&code).await.unwrap();
    let again = take(&code).await.unwrap();
    assert_eq!(first.code, again.code, "the same files are the same package");
    std::fs::write(code.join("app.py"), "later").unwrap();
    assert_ne!(take(&code).await.unwrap().code.sha256, first.code.sha256);
    deployed.create(record("f", &first)).await.unwrap();
    settled(&deployed, "f").await;
    let version = deployed.resolve("f").await.unwrap();
    assert_eq!(code_of(&version), "now");
    assert!(version.code.join("sub/b.py").exists());

    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), place.code.path().join("link")).unwrap();
    for path in [
        outside.path().to_owned(),
        place.code.path().join("link"),
        place.code.path().join("../nowhere"),
        PathBuf::from("/nowhere/at/all"),
    ] {
        let refused = take(&path).await.unwrap_err();
        let expected = DirectoryRefusal::NotAllowed;
        assert!(
            matches!(&refused, DeployError::Directory { refusal, .. } if *refusal == expected),
            "{refused}"
        );
    }
    let absent = take(&place.code.path().join("absent")).await.unwrap_err().to_string();
    assert!(absent.contains("No such file or directory"), "{absent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_taken_in_is_not_swept() {
    let place = Place::new();
    let deployed = place.open().await;
    let code = place.code.path().join("fn");
    std::fs::create_dir_all(&code).unwrap();
    for number in 0..200 {
        std::fs::write(code.join(format!("{number}.py")), "text").unwrap();
    }
    let sweeping = Arc::clone(&deployed);
    let sweeps = tokio::spawn(async move {
        loop {
            sweeping.sweep().await.unwrap();
        }
    });
    for _ in 0..10 {
        let taken = deployed.take_in(Source::Directory(code.clone())).await.unwrap();
        created_and_gone(&deployed, &taken).await;
    }
    sweeps.abort();
}

/// Its package is there for as long as somebody may refer to it.
async fn created_and_gone(deployed: &Arc<Deployed>, taken: &Taken) {
    deployed.create(record("f", taken)).await.unwrap();
    settled(deployed, "f").await;
    assert_eq!(entries(&deployed.resolve("f").await.unwrap().code).len(), 200);
    deployed.delete("f").await.unwrap();
}

#[tokio::test]
async fn a_package_that_is_none_leaves_nothing() {
    let place = Place::new();
    let deployed = place.open().await;
    let refused = deployed.take_in(Source::Zip("no zip".into())).await;
    assert!(matches!(refused, Err(DeployError::Package(_))));
    deployed.sweep().await.unwrap();
    assert_eq!(place.packages(), Vec::<PathBuf>::new());
    assert_eq!(std::fs::read_dir(place.data.path().join("blobs")).unwrap().count(), 0);
}
