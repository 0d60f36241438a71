//! Groups on this machine: hybrid and pure v1, or v2. Need root and the controllers; else they say
//! SKIP.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::*;

const MIB: u64 = 1 << 20;
/// Longest wait of a test for a condition.
const SOON: Duration = Duration::from_secs(60);

/// Our cgroups below a directory of the test's own, removed at its end.
pub(crate) struct Machine {
    pub(crate) cgroups: Cgroups,
    parents: Vec<PathBuf>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in self.cgroups.leftovers() {
                let lease = name.rsplit_once('-').map_or("", |(lease, _)| lease);
                println!("swept after a failed test: {name} {:?}", self.cgroups.sweep(lease));
            }
        }
        self.cgroups.remove_empty_parents();
        let left: Vec<_> = self.parents.iter().filter(|p| p.exists()).collect();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// The layouts this machine can play. Empty, with a word, where it cannot.
pub(crate) fn machines(test: &str) -> Vec<Machine> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if !rustix::process::geteuid().is_root() {
        println!("SKIP {test}: needs root");
        return Vec::new();
    }
    let layouts = match Layout::detect(Path::new("/proc")) {
        Ok(Layout::Hybrid { limits, unified }) => {
            // The same hierarchies as if the unified tree were not mounted.
            let freezer = limits.memory.with_file_name("freezer");
            let pure = Layout::V1 { limits: limits.clone(), freezer };
            vec![Layout::Hybrid { limits, unified }, pure]
        }
        Ok(layout) => vec![layout],
        Err(e) => {
            println!("SKIP {test}: failed to {e}");
            return Vec::new();
        }
    };
    layouts
        .into_iter()
        .map(|layout| {
            let n = COUNT.fetch_add(1, Ordering::Relaxed);
            let parent = format!("lambdabox-test-{}-{n}", std::process::id());
            let parents = layout.trees().iter().map(|tree| tree.join(&parent)).collect();
            Machine { cgroups: Cgroups::with_layout(layout, &parent), parents }
        })
        .collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn limits(memory_mb: u64) -> Limits {
    Limits { memory_bytes: memory_mb * MIB, pids: 64 }
}

/// Starts a program that first puts itself into the group, by path, and waits until it is there: a kill
/// before that would miss it.
pub(crate) fn start(group: &Group, command: &[&str]) -> Child {
    start_reading(group, command, Stdio::null())
}

fn start_reading(group: &Group, command: &[&str], stdin: Stdio) -> Child {
    let enter = "for f in $ENTER; do echo 0 > $f || exit 99; done; exec \"$@\"";
    let files: Vec<String> = group
        .dirs()
        .iter()
        .map(|dir| {
            let tasks = dir.join("tasks");
            let file = if tasks.exists() { tasks } else { dir.join("cgroup.procs") };
            file.display().to_string()
        })
        .collect();
    let mut child = Command::new("sh")
        .args(["-c", enter, "sh"])
        .args(command)
        .env("ENTER", files.join(" "))
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let is_in = |dir: &PathBuf| {
        // A group that has been killed and removed meanwhile has no list; then the child has ended.
        file::read_pids(&dir.join("cgroup.procs")).is_ok_and(|pids| pids.contains(&pid))
    };
    until("it is in its group", || {
        group.dirs().iter().all(is_in) || child.try_wait().unwrap().is_some()
    });
    child
}

/// Waits for the program to print a line.
fn wait_line(child: &mut Child) -> String {
    use std::io::{BufRead, BufReader};
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn pids(group: &Group) -> Vec<i32> {
    file::read_pids(&group.dirs()[0].join("cgroup.procs")).unwrap()
}

/// A file of a group in one v1 hierarchy, or in its only directory on v2.
fn text(group: &Group, tree: &str, name: &str) -> String {
    let dirs = group.dirs();
    let dir = dirs.iter().find(|d| d.starts_with(format!("/sys/fs/cgroup/{tree}")));
    fs::read_to_string(dir.unwrap_or(&dirs[0]).join(name)).unwrap().trim().to_owned()
}

/// Quota and period.
fn cpu(machine: &Machine, group: &Group) -> (String, String) {
    if let Layout::V2 { .. } = machine.cgroups.layout() {
        let both = text(group, "", "cpu.max");
        let (quota, period) = both.split_once(' ').unwrap();
        return (quota.to_owned(), period.to_owned());
    }
    (text(group, "cpu", "cpu.cfs_quota_us"), text(group, "cpu", "cpu.cfs_period_us"))
}

#[test]
fn limits_are_held_from_the_start() {
    for machine in machines("limits_are_held_from_the_start") {
        let group = machine.cgroups.make("t.0-1", &Limits::of_function(128)).unwrap();
        if let Layout::V2 { .. } = machine.cgroups.layout() {
            assert_eq!(text(&group, "", "memory.max"), "134217728");
            assert_eq!(text(&group, "", "memory.oom.group"), "1");
        } else {
            assert_eq!(text(&group, "memory", "memory.limit_in_bytes"), "134217728");
            assert_eq!(text(&group, "memory", "memory.memsw.limit_in_bytes"), "134217728");
        }
        assert_eq!(text(&group, "pids", "pids.max"), "1024");
        assert!(["-1", "max"].contains(&&*cpu(&machine, &group).0));
        runtime().block_on(group.remove()).unwrap();
        assert!(machine.cgroups.leftovers().is_empty());
    }
}

#[test]
fn a_throttle_holds_a_fraction_of_a_cpu_and_can_be_lifted() {
    for machine in machines("a_throttle_holds_a_fraction_of_a_cpu_and_can_be_lifted") {
        let group = machine.cgroups.make("t.0-1", &limits(128)).unwrap();
        group.throttle(128).unwrap();
        assert_eq!(cpu(&machine, &group), ("1447".to_owned(), "20000".to_owned()));
        let mut child = start(&group, &["sh", "-c", "while :; do :; done"]);
        until("a throttled period", || {
            file::find_key(&text(&group, "cpu", "cpu.stat"), "nr_throttled") > Some(2)
        });
        group.unthrottle().unwrap();
        assert!(["-1", "max"].contains(&&*cpu(&machine, &group).0));
        group.kill().unwrap();
        child.wait().unwrap();
        runtime().block_on(group.remove()).unwrap();
    }
}

#[test]
fn a_process_enters_by_writing_to_the_descriptors_handed_out() {
    for machine in machines("a_process_enters_by_writing_to_the_descriptors_handed_out") {
        let group = machine.cgroups.make("t.0-1", &limits(128)).unwrap();
        let entry = group.entry().unwrap();
        let (born, tasks) = match machine.cgroups.layout() {
            Layout::Hybrid { .. } => (true, 3),
            Layout::V1 { .. } => (false, 4),
            Layout::V2 { .. } => (true, 0),
        };
        assert_eq!((entry.birth.is_some(), entry.tasks.len()), (born, tasks));
        if tasks == 0 {
            // v2 has birth only, which takes a clone3; the launch tests do that.
            runtime().block_on(group.remove()).unwrap();
            continue;
        }
        // The thread that writes is the one that is moved: a thread of its own, gone afterwards.
        let tasks: Vec<_> =
            entry.tasks.iter().map(|fd| fd.as_fd().try_clone_to_owned().unwrap()).collect();
        let inside = std::thread::spawn(move || {
            for task in tasks {
                fs::File::from(task).write_all(b"0").unwrap();
            }
            fs::read_to_string("/proc/thread-self/cgroup").unwrap()
        });
        let inside = inside.join().unwrap();
        for tree in ["memory", "cpu", "pids"] {
            let line = inside.lines().find(|l| l.contains(&format!(":{tree}:"))).unwrap();
            assert!(line.ends_with("/t.0-1"), "{line}");
        }
        runtime().block_on(group.remove()).unwrap();
    }
}

#[test]
fn running_out_of_memory_is_noticed_and_counted() {
    for machine in machines("running_out_of_memory_is_noticed_and_counted") {
        runtime().block_on(async {
            let group = machine.cgroups.make("t.0-1", &limits(64)).unwrap();
            assert_eq!(group.oom_kills().unwrap(), 0);
            let early = tokio::time::timeout(Duration::from_millis(20), group.out_of_memory());
            assert!(early.await.is_err(), "noticed before it happened");
            let mut child = start(&group, &["python3", "-c", "x = b'x' * (1 << 30)"]);
            tokio::time::timeout(SOON, group.out_of_memory()).await.unwrap().unwrap();
            assert!(group.oom_kills().unwrap() >= 1);
            // Again at once, for whoever asks later (the first wait was dropped too).
            group.out_of_memory().await.unwrap();
            assert!(!child.wait().unwrap().success());
            group.remove().await.unwrap();
        });
    }
}

#[test]
fn a_grandchild_out_of_memory_is_noticed_while_its_parent_lives_on() {
    for machine in machines("a_grandchild_out_of_memory_is_noticed_while_its_parent_lives_on") {
        runtime().block_on(async {
            let group = machine.cgroups.make("t.0-1", &limits(64)).unwrap();
            let script = "sh -c 'python3 -c \"x = b\\\"x\\\" * (1 << 30)\"; true'; exec sleep 600";
            let mut child = start(&group, &["sh", "-c", script]);
            tokio::time::timeout(SOON, group.out_of_memory()).await.unwrap().unwrap();
            if let Layout::V2 { .. } = machine.cgroups.layout() {
                assert!(!child.wait().unwrap().success(), "v2 kills the group whole");
            } else {
                assert!(child.try_wait().unwrap().is_none(), "the first process should live on");
            }
            group.kill().unwrap();
            group.emptied().await.unwrap();
            child.wait().unwrap();
            group.remove().await.unwrap();
        });
    }
}

#[test]
fn a_fork_bomb_is_killed_whole() {
    for machine in machines("a_fork_bomb_is_killed_whole") {
        runtime().block_on(async {
            let group = machine.cgroups.make("t.0-1", &limits(256)).unwrap();
            let bomb = "f() { (f & f & sleep 600) & f; }; f";
            let mut child = start(&group, &["sh", "-c", bomb]);
            until("the bomb at its limit", || {
                file::find_key(&text(&group, "pids", "pids.events"), "max") > Some(0)
            });
            group.kill().unwrap();
            group.emptied().await.unwrap();
            assert_eq!(pids(&group), [0; 0]);
            child.wait().unwrap();
            group.remove().await.unwrap();
            assert!(machine.cgroups.leftovers().is_empty());
        });
    }
}

#[test]
fn a_frozen_group_stands_still_thaws_and_dies_while_frozen() {
    for machine in machines("a_frozen_group_stands_still_thaws_and_dies_while_frozen") {
        runtime().block_on(async {
            let group = machine.cgroups.make("t.0-1", &limits(128)).unwrap();
            let mut child = start(&group, &["sh", "-c", "echo in; while read x; do :; done"]);
            assert_eq!(wait_line(&mut child), "in");
            assert!(!group.frozen().unwrap());
            group.freeze().unwrap();
            until("frozen", || group.frozen().unwrap());
            group.thaw().unwrap();
            until("thawed", || !group.frozen().unwrap());
            group.freeze().unwrap();
            until("frozen again", || group.frozen().unwrap());
            group.kill().unwrap();
            tokio::time::timeout(SOON, group.emptied()).await.unwrap().unwrap();
            child.wait().unwrap();
            group.remove().await.unwrap();
        });
    }
}

#[test]
fn a_killed_or_sealed_group_lets_nobody_in() {
    for machine in machines("a_killed_or_sealed_group_lets_nobody_in") {
        let group = machine.cgroups.make("t.0-1", &limits(128)).unwrap();
        group.kill().unwrap();
        assert!(matches!(group.entry(), Err(CgroupError::Closed { .. })));
        let mut sealed = machine.cgroups.make("t.0-2", &limits(128)).unwrap();
        sealed.seal();
        assert!(matches!(sealed.entry(), Err(CgroupError::Closed { .. })));
        let runtime = runtime();
        runtime.block_on(group.remove()).unwrap();
        runtime.block_on(sealed.remove()).unwrap();
    }
}

#[test]
fn a_name_in_use_is_refused_and_its_group_unharmed() {
    for machine in machines("a_name_in_use_is_refused_and_its_group_unharmed") {
        let group = machine.cgroups.make("t.0-1", &limits(128)).unwrap();
        let again = machine.cgroups.make("t.0-1", &limits(64)).unwrap_err();
        assert!(matches!(again, CgroupError::Make { .. }), "{again:?}");
        let limit = match machine.cgroups.layout() {
            Layout::V2 { .. } => text(&group, "", "memory.max"),
            _ => text(&group, "memory", "memory.limit_in_bytes"),
        };
        assert_eq!(limit, "134217728");
        runtime().block_on(group.remove()).unwrap();
    }
}

#[test]
fn a_limit_the_kernel_refuses_leaves_no_directory() {
    for machine in machines("a_limit_the_kernel_refuses_leaves_no_directory") {
        let bad = Limits { memory_bytes: 128 * MIB, pids: u32::MAX };
        let error = machine.cgroups.make("t.0-1", &bad).unwrap_err();
        assert!(matches!(error, CgroupError::Limit { what: "processes", .. }), "{error:?}");
        assert!(machine.cgroups.leftovers().is_empty());
    }
}

#[test]
fn a_dropped_group_kills_its_processes_and_the_sweep_takes_the_rest() {
    for machine in machines("a_dropped_group_kills_its_processes_and_the_sweep_takes_the_rest") {
        let group = machine.cgroups.make("t.0-1", &limits(128)).unwrap();
        let mut child = start(&group, &["sh", "-c", "echo in; exec sleep 600"]);
        assert_eq!(wait_line(&mut child), "in");
        drop(group);
        assert!(!child.wait().unwrap().success());
        machine.cgroups.sweep("t.0").unwrap();
        assert!(machine.cgroups.leftovers().is_empty());
    }
}

#[test]
fn a_sweep_ends_one_lease_and_leaves_its_neighbour() {
    for machine in machines("a_sweep_ends_one_lease_and_leaves_its_neighbour") {
        let make = |name| machine.cgroups.make(name, &limits(128)).unwrap();
        let (dead, frozen, neighbour) = (make("t.1-1"), make("t.1-2"), make("t.10-1"));
        let wait = ["sh", "-c", "echo in; while read x; do :; done; exec sleep 600"];
        let mut children = [&dead, &frozen, &neighbour].map(|group| start(group, &wait));
        for child in &mut children {
            assert_eq!(wait_line(child), "in");
        }
        frozen.freeze().unwrap();
        until("frozen", || frozen.frozen().unwrap());
        // As if their host had died: nobody kills or removes.
        std::mem::forget((dead, frozen));
        let count = machine.cgroups.sweep("t.1").unwrap();
        assert_eq!(count, SweepCount { groups: 2, processes: 2 });
        assert_eq!(machine.cgroups.leftovers(), ["t.10-1"]);
        assert!(children[2].try_wait().unwrap().is_none(), "the neighbour was hurt");
        assert_eq!(machine.cgroups.sweep("t.1").unwrap(), SweepCount::default());
        neighbour.kill().unwrap();
        for mut child in children {
            child.wait().unwrap();
        }
        runtime().block_on(neighbour.remove()).unwrap();
    }
}

#[test]
fn a_half_made_group_is_swept_from_every_tree() {
    for machine in machines("a_half_made_group_is_swept_from_every_tree") {
        let last = machine.parents.last().unwrap();
        fs::create_dir(last).unwrap();
        fs::create_dir(last.join("t.0-7")).unwrap();
        assert_eq!(machine.cgroups.leftovers(), ["t.0-7"]);
        assert_eq!(machine.cgroups.sweep("t.0").unwrap().groups, 1);
        assert!(machine.cgroups.leftovers().is_empty());
    }
}

#[test]
fn groups_are_made_while_others_remove_the_empty_parent() {
    for machine in machines("groups_are_made_while_others_remove_the_empty_parent") {
        std::thread::scope(|scope| {
            for lease in 0..3 {
                let cgroups = &machine.cgroups;
                scope.spawn(move || {
                    for n in 0..40 {
                        let group = cgroups.make(&format!("t.{lease}-{n}"), &limits(128)).unwrap();
                        runtime().block_on(group.remove()).unwrap();
                        cgroups.remove_empty_parents();
                    }
                });
            }
        });
    }
}

#[test]
fn memory_in_use_counts_and_written_files_do_not() {
    for machine in machines("memory_in_use_counts_and_written_files_do_not") {
        let disk = tempfile::tempdir_in("/var/tmp").unwrap();
        let script = format!(
            "import os, sys\nf = open({:?}, 'wb')\nfor _ in range(80): f.write(os.urandom(1 << 20))\n\
             f.flush()\nprint('files', flush=True)\nsys.stdin.readline()\n\
             x = bytearray(os.urandom(1 << 20)) * 40\nprint('heap', flush=True)\nsys.stdin.readline()",
            disk.path().join("f")
        );
        let group = machine.cgroups.make("t.0-1", &limits(256)).unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let mut child = start_reading(&group, &["python3", "-c", &script], read.into());
        let mut meter = MemoryMeter::default();
        assert_eq!(wait_line(&mut child), "files");
        let files = group.memory().unwrap();
        meter.sample(files);
        assert!(files.raw_peak_bytes > 80 * MIB, "{files:?}");
        assert!(files.working_set_bytes < 30 * MIB, "{files:?}");
        writeln!(write).unwrap();
        assert_eq!(wait_line(&mut child), "heap");
        let heap = group.memory().unwrap();
        meter.sample(heap);
        assert!((45 * MIB..75 * MIB).contains(&heap.working_set_bytes), "{heap:?}");
        drop(write);
        child.wait().unwrap();
        meter.sample(group.memory().unwrap());
        assert!((45..75).contains(&meter.max_memory_used_mb()), "{meter:?}");
        runtime().block_on(group.remove()).unwrap();
    }
}

#[test]
#[ignore = "prints timings; run by hand with --nocapture"]
fn timings() {
    for machine in machines("timings") {
        let runtime = runtime();
        let (mut make, mut remove, mut limit, mut sample, mut cpu) =
            (vec![], vec![], vec![], vec![], vec![]);
        let keep = machine.cgroups.make("t.9-0", &limits(128)).unwrap();
        for n in 0..300 {
            let start = Instant::now();
            let group = machine.cgroups.make(&format!("t.0-{n}"), &limits(128)).unwrap();
            make.push(start.elapsed());
            let start = Instant::now();
            let memory = cgroups_rs::fs::memory::MemController::new(
                group.dirs()[1].clone(),
                PathBuf::new(),
                false,
            );
            if group.dirs()[1].join("memory.stat").exists() {
                memory.set_limit(128 << 20).unwrap();
                memory.set_memswap_limit(128 << 20).unwrap();
            }
            limit.push(start.elapsed());
            let start = Instant::now();
            group.throttle(128).unwrap();
            cpu.push(start.elapsed());
            let start = Instant::now();
            group.memory().unwrap();
            sample.push(start.elapsed());
            let start = Instant::now();
            runtime.block_on(group.remove()).unwrap();
            remove.push(start.elapsed());
        }
        runtime.block_on(keep.remove()).unwrap();
        println!("{:?}", machine.cgroups.layout());
        for (what, mut times) in [
            ("make", make),
            ("cgroups-rs: two memory limits", limit),
            ("throttle", cpu),
            ("sample of an empty group", sample),
            ("remove", remove),
        ] {
            times.sort();
            println!("  {what}: p50 {:?} p90 {:?} max {:?}", times[150], times[270], times[299]);
        }
    }
}
