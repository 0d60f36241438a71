//! cgroups: which layout, whether its controllers are there, and whether we may divide it.

use std::ffi::OsStr;
use std::path::Path;

use super::super::facts::{Facts, OwnGroup};
use super::process::version;
use super::{About, Check, PRIVILEGED, as_root};
use crate::model::with_causes;
use crate::sandbox::cgroup::{CgroupError, Layout};

/// What every environment is limited by.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];
/// Where distributions mount v2.
const MOUNT_POINT: &str = "/sys/fs/cgroup";
/// `cgroup.kill` is new in it.
const KILL_SINCE: (u32, u32) = (5, 14);

/// The layout, and what follows from it; nothing follows from none.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    match &facts.layout {
        Err(error) => vec![no_layout(facts, error)],
        Ok(layout) => vec![
            of_layout(facts, layout),
            controllers(facts),
            delegation(facts, layout),
            kill(facts, layout),
        ],
    }
}

const LAYOUT: About = About { id: "cgroup-layout", read: "/proc/self/mountinfo" };

fn no_layout(facts: &Facts, error: &CgroupError) -> Check {
    let CgroupError::NoController { controller } = error else {
        return LAYOUT
            .missing(format!("failed to {}", with_causes(error)), "mount -t proc proc /proc");
    };
    if facts.disabled_controllers.iter().any(|name| name == controller) {
        return LAYOUT.missing(
            format!("the kernel was told not to use the {controller} controller"),
            format!("boot with cgroup_enable={controller} on the kernel's command line"),
        );
    }
    let command = match *controller {
        // The first that is looked for: there is neither v1 nor v2.
        "memory" => format!("mount -t cgroup2 cgroup2 {MOUNT_POINT}"),
        name => format!("mount --mkdir -t cgroup -o {name} cgroup {MOUNT_POINT}/{name}"),
    };
    let fact = format!("no hierarchy with the {controller} controller is mounted");
    LAYOUT.missing(fact, as_root(facts, &command))
}

fn of_layout(facts: &Facts, layout: &Layout) -> Check {
    match layout {
        Layout::Hybrid { unified, .. } => LAYOUT.ok(format!(
            "hybrid: v1 controllers, and the unified tree of v2 at {}",
            unified.display()
        )),
        Layout::V2 { .. } => LAYOUT.ok("v2"),
        Layout::V1 { .. } => LAYOUT.warn(
            "v1 without a unified tree: groups are emptied by freezing and killing one by one",
            as_root(facts, "mount --mkdir -t cgroup2 cgroup2 /sys/fs/cgroup/unified"),
        ),
    }
}

fn controllers(facts: &Facts) -> Check {
    let about = About { id: "cgroup-controllers", read: "cgroup.controllers, /proc/cgroups" };
    if let (true, Some(given)) = (is_given_by_users_systemd(facts), &facts.users_controllers) {
        let lacking = lacking(given);
        if lacking.is_empty() {
            return about.ok(format!("{}, of your systemd", CONTROLLERS.join(", ")));
        }
        return about.missing(
            format!("your systemd was not given {}", lacking.join(", ")),
            "sudo systemctl edit user@.service, there [Service] and Delegate=cpu memory pids, then \
             log in again (cpu alone: invoke --cpu unlimited)",
        );
    }
    let group = match &facts.own_group {
        None => return about.ok(format!("{}, each mounted", CONTROLLERS.join(", "))),
        Some(Err(error)) => {
            let fact = format!("our own group cannot be read: {error}");
            return about.missing(fact, format!("mount -t cgroup2 cgroup2 {MOUNT_POINT}"));
        }
        Some(Ok(group)) => group,
    };
    let lacking = lacking(&group.controllers);
    if lacking.is_empty() {
        return about.ok(format!("{}, of {}", CONTROLLERS.join(", "), group.dir.display()));
    }
    let enable: Vec<String> = lacking.iter().map(|name| format!("+{name}")).collect();
    let parent = group.dir.parent().unwrap_or(&group.dir);
    let switch = parent.join("cgroup.subtree_control");
    about.missing(
        format!("{} has no {}: its parent hands none on", group.dir.display(), lacking.join(", ")),
        format!("echo {} | {} {}", enable.join(" "), as_root(facts, "tee"), switch.display()),
    )
}

fn lacking(text: &str) -> Vec<&'static str> {
    let has = |name: &str| text.split_ascii_whitespace().any(|there| there == name);
    CONTROLLERS.into_iter().filter(|name| !has(name)).collect()
}

/// An ordinary user's place for groups, where systemd is.
fn is_given_by_users_systemd(facts: &Facts) -> bool {
    facts.uid != 0 && facts.systemd_runs && facts.has_user_bus
}

/// Whether groups with limits can be made where we are.
fn delegation(facts: &Facts, layout: &Layout) -> Check {
    let read = "/proc/self/mountinfo, /proc/self/cgroup, cgroup.procs";
    let about = About { id: "cgroup-delegation", read };
    let trees: Vec<&Path> = match layout {
        Layout::Hybrid { limits, unified } => {
            vec![&limits.memory, &limits.cpu, &limits.pids, unified]
        }
        Layout::V1 { limits, freezer } => vec![&limits.memory, &limits.cpu, &limits.pids, freezer],
        Layout::V2 { parent } => vec![parent],
    };
    if let Some(mount) = trees.iter().find_map(|tree| facts.mounts.read_only(tree)) {
        let remedy = match facts.is_in_container {
            true => PRIVILEGED.to_owned(),
            false => as_root(facts, &format!("mount -o remount,rw {}", mount.display())),
        };
        return about.missing(format!("{} is mounted read-only", mount.display()), remedy);
    }
    match &facts.own_group {
        Some(Ok(group)) => of_own_group(about, facts, group),
        // Read by nobody: said where the controllers are.
        Some(Err(_)) | None if facts.uid == 0 => about.ok("root makes groups of its own"),
        Some(Err(_)) | None => about
            .missing("the hierarchies are root's to divide", with_less("sudo lambdabox doctor")),
    }
}

/// v2: a group with processes hands no controllers on, unless it is the very top. We are in our own
/// group, so that a place below it has to be given to us, as systemd does, or we are the only ones in it
/// and can move on to a place below, or it is the top.
fn of_own_group(about: About, facts: &Facts, group: &OwnGroup) -> Check {
    let dir = group.dir.display();
    if facts.uid == 0 && facts.systemd_runs {
        return about.ok("systemd gives us a scope of our own");
    }
    if is_given_by_users_systemd(facts) {
        return about.ok("your systemd gives us a scope of our own");
    }
    if facts.uid != 0 && facts.systemd_runs {
        let fact = format!("your systemd cannot be asked: there is no /run/user/{}/bus", facts.uid);
        return about.missing(fact, with_less("log in, or apt-get install dbus-user-session"));
    }
    let hands_on = group.is_top || lacking(&group.handed_on).is_empty();
    if group.owner == facts.uid && (hands_on || group.is_ours_alone) {
        return about.ok(format!("{dir} is ours to divide"));
    }
    let fact = if group.owner == facts.uid {
        format!("the controllers of {dir} are not delegated: it has processes besides this one")
    } else {
        format!("the controllers of {dir} are not delegated to uid {}", facts.uid)
    };
    about.missing(fact, with_less(&a_group_to_divide(facts, group)))
}

/// How lambdabox gets a group that it may divide where no systemd can be asked. Only on a machine without
/// any is that the top: in a container that sees the whole tree, others' groups are there, and systemd's.
fn a_group_to_divide(facts: &Facts, group: &OwnGroup) -> String {
    const ALONE: &str = "exec lambdabox doctor";
    let user = if facts.uid == 0 { "" } else { "--user root " };
    if facts.is_in_container {
        return format!(
            "docker run {user}--privileged IMAGE lambdabox doctor, its only process (in a shell \
             there: {ALONE})"
        );
    }
    let is_systemds = |name: &OsStr| {
        let name = name.to_string_lossy();
        [".slice", ".scope", ".service"].iter().any(|kind| name.ends_with(kind))
    };
    // A container of an engine that leaves no mark: whatever is mounted there is its own group, or another
    // machine's tree.
    if group.dir == Path::new(MOUNT_POINT) || group.dir.iter().any(is_systemds) {
        return format!("as root, and as the only process of the container: {ALONE}");
    }
    as_root(facts, &format!("sh -c 'echo $$ > {MOUNT_POINT}/cgroup.procs && {ALONE}'"))
}

/// What mends it, and the flag that goes without.
fn with_less(remedy: &str) -> String {
    format!("{remedy} (invoke --isolation no-limits: memory and CPU without limits)")
}

fn kill(facts: &Facts, layout: &Layout) -> Check {
    let about =
        About { id: "cgroup-kill", read: "/proc/self/mountinfo, /proc/sys/kernel/osrelease" };
    match layout {
        Layout::V1 { freezer, .. } => about.ok(format!("freezer at {}", freezer.display())),
        _ if version(&facts.kernel_release) >= Some(KILL_SINCE) => {
            about.ok("cgroup.kill and cgroup.freeze")
        }
        _ => {
            about.ok("cgroup.freeze; no cgroup.kill before Linux 5.14, processes are killed singly")
        }
    }
}
