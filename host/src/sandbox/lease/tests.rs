//! Leases on real files, with real processes that die.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// Tells the test binary to play the holder of a lease; see [`holder`].
const HOLDER: &str = "LAMBDABOX_TEST_LEASE_HOLDER";

struct Dirs {
    top: tempfile::TempDir,
}

impl Dirs {
    fn new() -> Self {
        Self { top: tempfile::tempdir().unwrap() }
    }

    fn run(&self) -> PathBuf {
        self.top.path().join("run")
    }

    fn data(&self) -> PathBuf {
        self.top.path().join("data")
    }

    fn take(&self) -> Lease {
        Lease::take(&self.run(), &self.data()).unwrap()
    }

    fn sweep(&self) -> Swept {
        sweep(&self.run(), &self.data(), None, &mut |_| Ok(())).unwrap()
    }

    /// Starts a process that holds a lease and works in it.
    fn holder(&self) -> (Child, PathBuf) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sandbox::lease::tests::holder", "--nocapture", "--include-ignored"])
            .env(HOLDER, self.top.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let work_dir = lines
            .map_while(Result::ok)
            .find_map(|line| line.split_once("HOLDS ").map(|(_, dir)| PathBuf::from(dir)))
            .unwrap();
        (child, work_dir)
    }

    fn left(&self) -> Vec<PathBuf> {
        let list = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        list(self.run().join("leases")).chain(list(self.data().join("run"))).collect()
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Another test's process may hold a copy of a dropped descriptor until it executes its program.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
#[ignore = "played by other tests in a process of its own"]
fn holder() {
    let Some(top) = std::env::var_os(HOLDER).map(PathBuf::from) else { return };
    let lease = Lease::take(&top.join("run"), &top.join("data")).unwrap();
    fs::create_dir(lease.work_dir().join("deep")).unwrap();
    fs::write(lease.work_dir().join("deep/file"), "x").unwrap();
    lease.note("rule", "first").unwrap();
    println!("HOLDS {}", lease.work_dir().display());
    // Until it is killed or its parent is gone.
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn a_lease_given_back_leaves_nothing() {
    let dirs = Dirs::new();
    let lease = dirs.take();
    assert_eq!(lease.slot(), 0);
    assert!(lease.work_dir().is_dir());
    assert!(lease.work_dir().starts_with(dirs.data().join("run")));
    fs::write(lease.work_dir().join("file"), "x").unwrap();
    lease.release().unwrap();
    assert_eq!(dirs.left(), Vec::<PathBuf>::new());
}

#[test]
fn two_instances_have_slots_names_and_directories_of_their_own() {
    let dirs = Dirs::new();
    let (first, second) = (dirs.take(), dirs.take());
    assert_eq!((first.slot(), second.slot()), (0, 1));
    assert_ne!(first.name(), second.name());
    assert_ne!(first.work_dir(), second.work_dir());
    first.release().unwrap();
    assert_eq!(dirs.take().slot(), 0);
    second.release().unwrap();
}

#[test]
fn instances_with_another_run_directory_never_share_a_name() {
    let (one, other) = (Dirs::new(), Dirs::new());
    // The same data directory, as two containers may have.
    let first = Lease::take(&one.run(), &one.data()).unwrap();
    let second = Lease::take(&other.run(), &one.data()).unwrap();
    assert_eq!((first.slot(), second.slot()), (0, 0));
    assert_ne!(first.name(), second.name());
    let swept = sweep(&other.run(), &one.data(), None, &mut |_| Ok(())).unwrap();
    assert_eq!((swept.leases, swept.work_dirs), (0, 0));
    assert!(first.work_dir().is_dir() && second.work_dir().is_dir());
}

#[test]
fn a_killed_holder_is_swept_and_its_living_neighbour_is_not() {
    let dirs = Dirs::new();
    let ((dying, dead_dir), (mut living, living_dir)) = (dirs.holder(), dirs.holder());
    assert_eq!(dirs.sweep().leases, 0);
    kill(dying);
    let mut rules = Vec::new();
    let swept = sweep(&dirs.run(), &dirs.data(), None, &mut |lease| {
        assert!(lease.facts().is_some_and(|facts| facts.work_dir == dead_dir));
        rules.extend(lease.made("rule").map(str::to_owned));
        Ok(())
    });
    let swept = swept.unwrap();
    assert_eq!((swept.leases, swept.failed.len()), (1, 0));
    assert_eq!(rules, ["first"]);
    assert!(!dead_dir.exists());
    assert!(living_dir.join("deep/file").exists());
    assert!(living.try_wait().unwrap().is_none());
    kill(living);
    assert_eq!(dirs.sweep().leases, 1);
    assert_eq!(dirs.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_new_instance_never_takes_a_slot_that_waits_to_be_swept() {
    let dirs = Dirs::new();
    kill(dirs.holder().0);
    assert_eq!(dirs.take().slot(), 1);
    until("the dead slot swept", || {
        dirs.sweep();
        dirs.left().is_empty()
    });
    assert_eq!(dirs.take().slot(), 0);
}

#[test]
fn two_starts_sweep_each_dead_lease_once() {
    let dirs = Dirs::new();
    let holders: Vec<_> = (0..4).map(|_| dirs.holder().0).collect();
    holders.into_iter().for_each(kill);
    let calls = AtomicUsize::new(0);
    let total: usize = std::thread::scope(|scope| {
        let one = || {
            let swept = sweep(&dirs.run(), &dirs.data(), None, &mut |_| {
                calls.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
                Ok(())
            });
            let swept = swept.unwrap();
            assert!(swept.failed.is_empty(), "{:?}", swept.failed);
            swept.leases
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((total, calls.into_inner()), (4, 4));
    assert_eq!(dirs.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_sweep_that_ends_half_way_is_done_again_by_the_next_start() {
    let dirs = Dirs::new();
    let (holder, work_dir) = dirs.holder();
    kill(holder);
    let swept = sweep(&dirs.run(), &dirs.data(), None, &mut |_| Err("no".into())).unwrap();
    assert_eq!(swept.leases, 0);
    assert!(matches!(swept.failed[..], [LeaseError::Hook { .. }]), "{:?}", swept.failed);
    let mut calls = 0;
    let swept = sweep(&dirs.run(), &dirs.data(), None, &mut |lease| {
        calls += lease.made("rule").count();
        Ok(())
    });
    assert_eq!((swept.unwrap().leases, calls), (1, 1));
    assert!(!work_dir.exists());
}

#[test]
fn a_half_written_or_empty_lease_is_swept_too() {
    let dirs = Dirs::new();
    dirs.take().release().unwrap();
    for (slot, text) in [(0, ""), (1, "{\"facts\":{\"pid\":12,"), (2, "\0\0")] {
        fs::write(dirs.run().join(format!("leases/{slot}.lock")), text).unwrap();
    }
    let mut names = Vec::new();
    let swept = sweep(&dirs.run(), &dirs.data(), None, &mut |lease| {
        assert!(lease.facts().is_none());
        names.push(lease.name().to_owned());
        Ok(())
    });
    assert_eq!(swept.unwrap().leases, 3);
    assert_eq!(names.len(), 3);
    assert_eq!(dirs.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_work_directory_without_a_lease_is_swept_after_a_reboot() {
    let dirs = Dirs::new();
    let old = dirs.data().join("run/1bx7.0");
    fs::create_dir_all(old.join("images")).unwrap();
    assert_eq!(dirs.sweep().work_dirs, 1);
    assert!(!old.exists());
}

#[test]
fn what_is_not_a_work_directory_is_left_alone_in_a_data_directory_that_has_more() {
    let dirs = Dirs::new();
    let others = ["important", "systemd", "1bx7", "1bx7.", "x7.0", "1bx7.0.bak", "1bx7.99999"];
    for name in others {
        fs::create_dir_all(dirs.data().join("run").join(name).join("deep")).unwrap();
    }
    assert_eq!(dirs.sweep().work_dirs, 0);
    for name in others {
        assert!(dirs.data().join("run").join(name).join("deep").is_dir(), "{name}");
    }
    let name = dirs.take().name().to_owned();
    assert!(slot::is_name(&name), "{name}");
}

#[test]
fn a_lease_names_no_directory_to_remove_but_its_own() {
    let dirs = Dirs::new();
    dirs.take().release().unwrap();
    let victim = dirs.top.path().join("home");
    fs::create_dir(&victim).unwrap();
    let line = facts::facts_line(&Facts { pid: 1, work_dir: victim.clone() }).unwrap();
    fs::write(dirs.run().join("leases/0.lock"), line).unwrap();
    assert_eq!(dirs.sweep().leases, 1);
    assert!(victim.is_dir());
}

#[test]
fn removing_a_work_directory_follows_no_link() {
    let dirs = Dirs::new();
    let outside = dirs.top.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "x").unwrap();
    let lease = dirs.take();
    std::os::unix::fs::symlink(&outside, lease.work_dir().join("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere", lease.work_dir().join("dangling")).unwrap();
    lease.release().unwrap();
    assert!(outside.join("kept").exists());
    assert_eq!(dirs.left(), Vec::<PathBuf>::new());
}

#[test]
fn removing_a_work_directory_detaches_what_is_mounted_and_enters_nothing() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP removing_a_work_directory_detaches_…: needs root");
        return;
    }
    let dirs = Dirs::new();
    let outside = dirs.top.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "x").unwrap();
    let lease = dirs.take();
    let points = ["bind", "tmpfs on top"].map(|name| lease.work_dir().join(name));
    for point in &points {
        fs::create_dir(point).unwrap();
    }
    // A bind of the same file system: its device number is the same.
    rustix::mount::mount_bind(&outside, &points[0]).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", &points[1], "tmpfs", flags, None).unwrap();
    fs::create_dir(points[1].join("deep")).unwrap();
    rustix::mount::mount("none", points[1].join("deep"), "tmpfs", flags, None).unwrap();
    lease.release().unwrap();
    assert!(outside.join("kept").exists());
    assert_eq!(dirs.left(), Vec::<PathBuf>::new());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(dirs.top.path().to_str().unwrap()), "{mounts}");
}

#[test]
fn a_run_directory_others_can_write_to_is_refused() {
    let dirs = Dirs::new();
    fs::create_dir(dirs.run()).unwrap();
    fs::set_permissions(dirs.run(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Lease::take(&dirs.run(), &dirs.data()).unwrap_err();
    assert!(matches!(error, LeaseError::NotOurs { mode: 0o777, .. }), "{error:?}");
    let real = dirs.top.path().join("real");
    fs::create_dir(&real).unwrap();
    let link = dirs.top.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert!(matches!(dead(&link), Err(LeaseError::NotOurs { .. })));
    for place in [dirs.run(), real] {
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "something was made in {place:?}");
    }
}

#[test]
fn a_killed_host_is_swept_with_its_groups_while_a_neighbour_runs_on() {
    use crate::sandbox::cgroup::{Limits, tests as cgroup};
    for machine in cgroup::machines("a_killed_host_is_swept_with_its_groups_…") {
        let dirs = Dirs::new();
        let ((host, work_dir), (mut neighbour, _)) = (dirs.holder(), dirs.holder());
        // The groups the two hosts would have made.
        let name = |slot| super::slot::Leases::open(&dirs.run()).unwrap().name(slot);
        let make = |slot| {
            machine.cgroups.make(&format!("{}-1", name(slot)), &Limits::of_function(128)).unwrap()
        };
        let (dead, living) = (make(0), make(1));
        let mut orphan = cgroup::start(&dead, &["sleep", "600"]);
        let mut other = cgroup::start(&living, &["sleep", "600"]);
        std::mem::forget(dead);
        kill(host);
        let swept =
            sweep(&dirs.run(), &dirs.data(), Some(&machine.cgroups), &mut |_| Ok(())).unwrap();
        assert!(swept.failed.is_empty(), "{:?}", swept.failed);
        assert_eq!((swept.leases, swept.cgroups.groups), (1, 1));
        assert!(!orphan.wait().unwrap().success());
        assert!(!work_dir.exists());
        assert!(other.try_wait().unwrap().is_none() && neighbour.try_wait().unwrap().is_none());
        assert_eq!(machine.cgroups.leftovers(), [living.name()]);
        kill(neighbour);
        living.kill().unwrap();
        other.wait().unwrap();
        machine.cgroups.sweep(&name(1)).unwrap();
    }
}

#[test]
#[ignore = "prints timings; run by hand with --nocapture"]
fn timings() {
    let dirs = Dirs::new();
    let neighbours: Vec<_> = (0..3).map(|_| dirs.holder().0).collect();
    let (mut sweeps, mut takes) = (Vec::new(), Vec::new());
    let cgroups = crate::sandbox::cgroup::Cgroups::detect(Path::new("/proc")).ok();
    for _ in 0..300 {
        let start = Instant::now();
        sweep(&dirs.run(), &dirs.data(), cgroups.as_ref(), &mut |_| Ok(())).unwrap();
        sweeps.push(start.elapsed());
        let start = Instant::now();
        dirs.take().release().unwrap();
        takes.push(start.elapsed());
    }
    neighbours.into_iter().for_each(kill);
    for (what, mut times) in [("sweep, 3 living, none dead", sweeps), ("take + release", takes)] {
        times.sort();
        println!("  {what}: p50 {:?} p90 {:?} max {:?}", times[150], times[270], times[299]);
    }
}
