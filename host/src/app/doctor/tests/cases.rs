//! Every case that is to be told apart.

use super::super::checks::{self, Status};
use super::machine::{EVERY, HYBRID, Machine, NOBODYS, OF_DOCKER, OWN, lists};
use crate::config::Isolation;

#[test]
fn a_good_machine_lacks_nothing_but_what_was_left_out() {
    let machine = Machine::good();
    assert_eq!(machine.missing(), [""; 0], "{:#?}", machine.checks());
    assert_eq!(machine.of(Status::Warn), ["python"]);
    assert_eq!(machine.check("cgroup-layout").fact.split(':').next(), Some("hybrid"));
}

#[test]
fn every_check_that_is_not_ok_names_a_remedy_and_no_other_does() {
    let broken = Machine::good()
        .user(1000, NOBODYS)
        .mounts("22 27 0:21 / /proc rw - proc proc rw\n")
        .with("proc/sys/user/max_user_namespaces", "0\n")
        .with("proc/sys/user/max_net_namespaces", "0\n")
        .with("proc/sys/kernel/osrelease", "4.19.0\n")
        .without("proc/sys/kernel/seccomp/actions_avail");
    for check in Machine::good().checks().into_iter().chain(broken.checks()) {
        assert_eq!(check.remedy.is_some(), check.status != Status::Ok, "{check:?}");
    }
}

#[test]
fn a_kernel_before_5_12_is_too_old() {
    let at = |release| Machine::good().with("proc/sys/kernel/osrelease", release);
    at("5.11.22-amd64\n").lacks_only("kernel", "mount_setattr came with 5.12", "reboot");
    at("4.19.0\n").lacks_only("kernel", "4.19.0", "reboot");
    assert_eq!(at("5.12.0\n").missing(), [""; 0]);
    let old = at("5.13.0\n").check("cgroup-kill");
    assert!(old.status == Status::Ok && old.fact.contains("no cgroup.kill"), "{old:?}");
}

#[test]
fn an_ordinary_user_is_told_what_takes_root() {
    let machine = Machine::good().user(1000, NOBODYS);
    machine.lacks_only("cgroup-delegation", "root's to divide", "--isolation no-limits");
    assert_eq!(machine.check("privileges").status, Status::Ok);
    machine.says("tmp", Status::Warn, "memory", "sudo");
    machine.says("nat", Status::Warn, "slirp4netns", "sudo apt-get install slirp4netns");
}

#[test]
fn an_ordinary_users_groups_are_its_own_systemds_to_give() {
    let bus = "run/user/1000/bus";
    let given = "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers";
    let machine = |controllers| {
        let machine = Machine::with_systemd().user(1000, NOBODYS).with("run/systemd/system/x", "");
        machine.with(bus, "").with(given, controllers)
    };
    let good = machine("cpu memory pids\n");
    assert_eq!(good.missing(), [""; 0], "{:#?}", good.checks());
    let without = machine("cpu memory pids\n").without(bus);
    without.lacks_only("cgroup-delegation", "/run/user/1000/bus", "log in");
    let poor = machine("memory pids\n");
    poor.lacks_only("cgroup-controllers", "was not given cpu", "Delegate=cpu memory pids");
}

#[test]
fn without_limits_what_only_they_need_is_a_warning_and_functions_run() {
    let machine = Machine::good().user(1000, NOBODYS);
    let checks = checks::all(&machine.facts(), Isolation::NoLimits);
    assert_eq!(checks::worst(&checks), Status::Warn, "{checks:#?}");
    let groups = checks.iter().find(|check| check.id == "cgroup-delegation").unwrap();
    assert!(groups.fact.contains("memory and CPU are not limited"), "{groups:?}");
    let none = Machine::good().mounts("22 27 0:21 / /proc rw - proc proc rw\n");
    let checks = checks::all(&none.facts(), Isolation::NoLimits);
    assert_eq!(checks::worst(&checks), Status::Warn, "{checks:#?}");
    let old = Machine::good().with("proc/sys/kernel/osrelease", "4.19.0\n");
    let checks = checks::all(&old.facts(), Isolation::NoLimits);
    assert_eq!(checks::worst(&checks), Status::Missing, "everything else is as strict");
}

#[test]
fn a_container_without_cap_sys_admin_is_told_from_an_ordinary_user() {
    let container = Machine::good().user(0, OF_DOCKER).with(".dockerenv", "");
    let fact = "root in a container without CAP_SYS_ADMIN, CAP_NET_ADMIN";
    container.lacks_only("privileges", fact, "--privileged");
    container.says("nat", Status::Warn, "CAP_NET_ADMIN", "--privileged");
    container.says("tmp", Status::Warn, "CAP_SYS_ADMIN", "--privileged");
}

#[test]
fn ubuntus_apparmor_limit_on_user_namespaces_is_named() {
    let restricted = |machine: Machine, label: &str| {
        machine
            .with("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
            .with("proc/self/attr/apparmor/current", label)
    };
    let user = restricted(Machine::good().user(1000, NOBODYS), "unconfined\n");
    let command = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
    user.says("user-namespaces", Status::Missing, "AppArmor takes the capabilities", command);
    // Root has the capability that lifts the limit, and keeps it until the namespace is made.
    let root = restricted(Machine::good(), "unconfined\n");
    assert_eq!(root.missing(), [""; 0]);
    let profile = restricted(Machine::good(), "lambdabox (unconfined)\n");
    assert_eq!(profile.missing(), [""; 0], "a profile that allows them has its own name");
    let off = Machine::good().with("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n");
    assert_eq!(off.missing(), [""; 0]);
}

#[test]
fn user_namespaces_that_are_off_are_told_from_those_kept_from_ordinary_users() {
    let off = Machine::good().with("proc/sys/user/max_user_namespaces", "0\n");
    off.lacks_only("user-namespaces", "max_user_namespaces is 0", "user.max_user_namespaces=15000");
    let kept = |machine: Machine| machine.with("proc/sys/kernel/unprivileged_userns_clone", "0\n");
    let command = "kernel.unprivileged_userns_clone=1";
    let user = kept(Machine::good().user(1000, NOBODYS));
    user.says("user-namespaces", Status::Missing, "unprivileged_userns_clone is 0", command);
    assert_eq!(kept(Machine::good()).missing(), [""; 0], "root has CAP_SYS_ADMIN");
    let free = Machine::good().with("proc/sys/kernel/unprivileged_userns_clone", "1\n");
    assert_eq!(free.missing(), [""; 0]);
}

#[test]
fn a_namespace_the_kernel_lacks_is_told_from_one_that_is_off() {
    let lacks = Machine::good().without("proc/self/ns/net");
    lacks.lacks_only("namespaces", "no net namespaces", "CONFIG_NAMESPACES");
    let off = Machine::good().with("proc/sys/user/max_net_namespaces", "0\n");
    off.lacks_only("namespaces", "max_net_namespaces is 0", "user.max_net_namespaces=15000");
}

#[test]
fn hybrid_v1_and_v2_are_told_apart() {
    let starts = |machine: &Machine, text: &str| {
        let check = machine.check("cgroup-layout");
        assert!(check.fact.starts_with(text), "{check:?}");
    };
    starts(&Machine::good(), "hybrid");
    starts(&Machine::with_systemd(), "v2");
    let v1: String =
        HYBRID.lines().filter(|l| !l.contains("cgroup2")).map(|l| format!("{l}\n")).collect();
    let v1 = Machine::good().mounts(&v1);
    starts(&v1, "v1");
    v1.says("cgroup-layout", Status::Warn, "one by one", "mount --mkdir -t cgroup2");
    v1.says("cgroup-kill", Status::Ok, "freezer at /sys/fs/cgroup/freezer", "");
    assert_eq!(v1.missing(), [""; 0]);
}

#[test]
fn a_controller_that_is_missing_is_told_from_one_that_is_disabled() {
    let without = |name: &str| -> String {
        HYBRID.lines().filter(|l| !l.ends_with(name)).map(|l| format!("{l}\n")).collect()
    };
    let pids = Machine::good().mounts(&without("rw,pids"));
    pids.lacks_only("cgroup-layout", "pids controller", "mount --mkdir -t cgroup -o pids");
    let rows = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t1\t1\npids\t0\t1\t0\n";
    let disabled = Machine::good().mounts(&without("rw,pids")).with("proc/cgroups", rows);
    disabled.lacks_only("cgroup-layout", "told not to use the pids", "cgroup_enable=pids");
    let none = Machine::good().mounts("22 27 0:21 / /proc rw - proc proc rw\n");
    none.lacks_only("cgroup-layout", "no hierarchy", "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
}

#[test]
fn controllers_that_are_not_delegated_are_named_with_the_group() {
    let asked = Machine::with_systemd().with("run/systemd/system/x", "");
    assert_eq!(asked.missing(), [""; 0], "systemd is asked for a scope");
    let fact = "session-2.scope are not delegated: it has processes besides this one";
    let root = Machine::with_systemd();
    root.lacks_only("cgroup-delegation", fact, "only process of the container: exec lambdabox");
    let user = Machine::with_systemd().user(4_242, NOBODYS);
    user.says("cgroup-delegation", Status::Missing, "not delegated to uid 4242", "as root, and");
    // Nobody else's tree: a machine without systemd.
    let bare = |machine: Machine| machine.group("/openrc.sshd", "cpu memory pids", "");
    let top = "sh -c 'echo $$ > /sys/fs/cgroup/cgroup.procs && exec lambdabox";
    bare(Machine::with_systemd()).lacks_only("cgroup-delegation", "openrc.sshd are not", top);
    let user = bare(Machine::with_systemd().user(4_242, NOBODYS));
    user.says("cgroup-delegation", Status::Missing, "not delegated to uid 4242", "sudo sh -c");
    let poor = Machine::with_systemd().group("/system.slice/x.service", "memory pids", "");
    let switch = "echo +cpu | tee /sys/fs/cgroup/system.slice/cgroup.subtree_control";
    poor.says("cgroup-controllers", Status::Missing, "x.service has no cpu", switch);
}

#[test]
fn the_top_of_v2_is_ours_to_divide_and_the_top_of_a_containers_view_is_not() {
    let top = Machine::with_systemd().at_the_top();
    assert_eq!(top.missing(), [""; 0], "{:#?}", top.checks());
    let view = Machine::with_systemd().group("/", "cpu memory pids", "");
    view.lacks_only("cgroup-delegation", "it has processes", "only process of the container");
}

/// As `invoke` then moves on to a place below.
#[test]
fn a_containers_own_group_is_ours_to_divide_while_nobody_else_is_in_it() {
    let alone = Machine::container(OWN);
    assert_eq!(alone.missing(), [""; 0], "{:#?}", alone.checks());
    let fact = "/sys/fs/cgroup are not delegated: it has processes besides this one";
    let command = "docker run --privileged IMAGE lambdabox doctor";
    let delegation = "cgroup-delegation";
    for others in ["1\n7\n", "7\n8\n", "8\n", ""] {
        let shared = Machine::container(others);
        shared.lacks_only(delegation, fact, command);
        let remedy = shared.check(delegation).remedy.unwrap();
        assert!(!remedy.contains("cgroup.procs"), "the tree may be the host's: {remedy}");
    }
    let user = Machine::container(OWN).user(4_242, NOBODYS);
    user.says(delegation, Status::Missing, "not delegated to uid 4242", "docker run --user root");
    let unread = Machine::container(OWN).without("sys/fs/cgroup/cgroup.procs");
    unread.lacks_only(delegation, fact, command);
    // With `--cgroupns=host`.
    let scope = "/system.slice/docker-0a1b.scope";
    let whole = Machine::container(OWN).group(scope, "cpu memory pids", "");
    whole.lacks_only(delegation, "docker-0a1b.scope are not", command);
    let alone = whole.with(&format!("sys/fs/cgroup{scope}/cgroup.procs"), OWN);
    assert_eq!(alone.missing(), [""; 0], "{:#?}", alone.checks());
}

#[test]
fn a_group_given_to_a_user_is_that_users_to_divide() {
    // Files of a test belong to whoever runs it.
    let tester = nix::unistd::geteuid().as_raw();
    let of = |uid| {
        let machine = Machine::with_systemd().user(uid, NOBODYS);
        let all = "cpu memory pids";
        machine.group("/user.slice/box.scope", all, all).check("cgroup-delegation")
    };
    let own = of(tester);
    assert!(own.status == Status::Ok && own.fact.contains("box.scope is ours"), "{own:?}");
    assert_eq!(of(tester + 1).status, Status::Missing);
}

#[test]
fn a_read_only_cgroup_tree_is_named_on_v1_and_on_v2() {
    let v1 = Machine::good().mounts(&HYBRID.replace("/memory rw,", "/memory ro,"));
    v1.lacks_only(
        "cgroup-delegation",
        "/sys/fs/cgroup/memory is mounted read-only",
        "remount,rw /sys/fs/cgroup/memory",
    );
    let v2 = Machine::with_systemd()
        .group("/", "cpu memory pids", "")
        .mounts("30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n")
        .with(".dockerenv", "");
    v2.lacks_only("cgroup-delegation", "/sys/fs/cgroup is mounted read-only", "--privileged");
}

#[test]
fn a_masked_proc_is_missing_in_a_user_namespace_and_a_warning_for_the_machines_root() {
    let masked = || {
        Machine::good().also_mounted(
            "50 22 0:50 / /proc/kcore rw,nosuid - tmpfs tmpfs rw\n\
             51 22 0:51 / /proc/sys ro,nosuid - proc proc rw\n",
        )
    };
    let fact = "masked: 2 mounts over it, such as /proc/kcore";
    masked().says("proc", Status::Warn, fact, "systempaths=unconfined");
    let inner = masked().with("proc/self/uid_map", "0 100000 65536\n");
    inner.says("proc", Status::Missing, fact, "systempaths=unconfined");
    assert_eq!(inner.missing(), ["proc"]);
    assert_eq!(
        Machine::with_systemd().check("proc").status,
        Status::Ok,
        "binfmt_misc hides nothing"
    );
}

#[test]
fn a_user_namespace_without_ids_for_functions_is_named() {
    let one = Machine::good().with("proc/self/uid_map", "0 1000 1\n");
    one.lacks_only("ids", "no ids for functions", "65,536");
    let narrow = Machine::good().with("proc/self/uid_map", "0 100000 65536\n");
    assert_eq!(narrow.missing(), [""; 0]);
}

#[test]
fn a_kernel_without_seccomp_filters_is_named() {
    let without = Machine::good().without("proc/sys/kernel/seccomp/actions_avail");
    without.lacks_only("seccomp", "no seccomp filters", "CONFIG_SECCOMP_FILTER");
}

#[test]
fn tmp_is_memory_for_the_first_reason_there_is() {
    for (gone, fact, remedy) in [
        ("dev/loop-control", "/dev/loop-control", "modprobe loop"),
        ("proc/filesystems", "no ext4", "modprobe ext4"),
        ("usr/sbin/mkfs.ext4", "mkfs.ext4", "apt-get install e2fsprogs"),
    ] {
        Machine::good().without(gone).says("tmp", Status::Warn, fact, remedy);
    }
    let without = lists(Machine::good(), "kernel/drivers/net/veth.ko:\n");
    without.says("tmp", Status::Warn, "no loop devices", "kernel of a distribution");
    let module = "lib/modules/6.8.0-31-generic/kernel/fs/ext4/ext4.ko.zst";
    let loadable = Machine::good().without("proc/filesystems").with(module, "");
    assert_eq!(loadable.check("tmp").status, Status::Ok, "a module the kernel loads itself");
}

#[test]
fn an_interpreter_is_named_with_its_version_and_its_place() {
    let machine = Machine::good()
        .program("usr/bin/python3.12", "\u{7f}ELF")
        .with("usr/lib/python3.12/os.py", "");
    let check = machine.check("python");
    assert_eq!(check.status, Status::Ok, "{check:?}");
    assert!(check.fact.contains("python3.12 (3.12") && check.fact.contains("/usr/bin/python3.12"));
}

#[test]
fn a_machine_whose_proc_is_not_there_is_an_error_that_names_the_file() {
    let machine = Machine::good().user(0, EVERY).without("proc/self/status");
    let search = lambdabox_runtimes::discover::Search::default();
    let error = super::super::facts::Facts::gather(machine.path(), search).unwrap_err();
    assert!(error.to_string().ends_with("proc/self/status"), "{error}");
}
