//! The policy: every system call of Linux 6.18 on x86_64 and aarch64, and its answer.
//!
//! Four kinds of calls:
//! - **allowed**: what ordinary programs use, and what only acts on the caller's own process, files
//!   and namespaces. Where the kernel asks for a capability itself (`setuid`, `sched_setscheduler`,
//!   `adjtimex` that writes), its answer is right already and the call stays allowed.
//! - **refused** (EPERM): known, and either a way to make or enter namespaces and mounts, to look into
//!   other processes, to change the machine, or a large piece of kernel that no ordinary program
//!   needs. EPERM is what an unprivileged user sees anyway, so programs are prepared for it.
//! - **looked at**: an argument decides, or sends on to the next one.
//! - **absent** (ENOSYS): everything else, among it `clone3`, whose flags lie behind a pointer and
//!   cannot be looked at (libc falls back to `clone`), asynchronous I/O (`io_setup`), of which the machine
//!   has one count (`fs.aio-nr`) that one call can use up, calls the kernel has dropped (`create_module`),
//!   reading of mounts and LSM state that libraries can do another way (`listmount`,
//!   `lsm_get_self_attr`), and all numbers of the x32 ABI.
//!
//! Some decisions in words:
//! - `prctl` and `seccomp` stay open: what they do without capabilities either makes the caller
//!   smaller (a filter on top of this one can only refuse more) or acts on itself.
//! - `sync` and `syncfs` report success and do nothing: one call in a loop would make the whole host
//!   write back its disks, and a function's only writable file system does not outlive it.
//! - `personality` may be asked, set to what it is, or turn off address randomisation (debuggers and
//!   Lisps restart themselves so); nothing that changes how the kernel treats the program.
//! - Sockets: Unix, IPv4, IPv6 and routing netlink (`getifaddrs`, Go's and glibc's resolvers). Others
//!   answer EAFNOSUPPORT, as a kernel built without them. Of the Internet's protocols TCP, MPTCP (Go's
//!   listeners), UDP and ping: for any other the kernel has the host load a module (SCTP, DCCP, L2TP),
//!   and of DCCP already its type is the name. So do the ioctls of bridges and VLANs, before they look
//!   whether the caller may.
//!
//! # Invariants
//! - A number stands in one list only, and no number of the kernel is undecided by accident: a test
//!   names the absent ones.
//!
//! # Sources
//! `arch/x86/entry/syscalls/syscall_64.tbl`, `include/uapi/asm-generic/unistd.h` (Linux 6.18);
//! sandbox.md 5; the default profile of Docker (moby/profiles) for what programs in the wild need.

use libc::{
    ADDR_NO_RANDOMIZE, AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, CLONE_NEWCGROUP, CLONE_NEWIPC,
    CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, EAFNOSUPPORT, ENOSYS,
    EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP,
    IPPROTO_MPTCP, IPPROTO_TCP, IPPROTO_UDP, NETLINK_ROUTE, S_IFBLK, S_IFCHR, S_IFMT, SOCK_DGRAM,
    SOCK_RAW, SOCK_STREAM, TIOCLINUX, TIOCSTI, c_long,
};

use super::verdict::{Look, Verdict};

/// `AUDIT_ARCH_*` of the one architecture whose numbers the table has (linux/audit.h).
#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: u32 = 0xC000_003E;
/// `AUDIT_ARCH_*` of the one architecture whose numbers the table has (linux/audit.h).
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: u32 = 0xC000_00B7;

/// The answer to a call that is in no list, and to every call of another architecture.
///
/// A 32-bit program or `int 0x80` is told that the kernel does not have the call. Killing would be as
/// safe, but takes the whole environment down for what may be a library feeling for features.
pub(super) const ABSENT: Verdict = Verdict::Errno(ENOSYS);

const REFUSED: Verdict = Verdict::Errno(EPERM);
/// Reported as done, not done.
const PRETENDED: Verdict = Verdict::Errno(0);

/// Numbers by name; a macro so that they stand as running text, grouped by what they are for.
macro_rules! calls { ($($number:tt)*) => { &[$($number),*] } }

const ALLOWED: &[&[c_long]] = {
    use libc::*;
    &[
        // descriptors and their data
        calls! { SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv
        SYS_pwritev SYS_preadv2 SYS_pwritev2 SYS_lseek SYS_close SYS_close_range SYS_dup SYS_dup3
        SYS_fcntl SYS_flock SYS_pipe2 SYS_sendfile SYS_splice SYS_tee SYS_vmsplice
        SYS_copy_file_range SYS_fsync SYS_fdatasync SYS_fadvise64 SYS_readahead SYS_fallocate
        SYS_ftruncate SYS_memfd_create },
        // files and directories
        calls! { SYS_openat SYS_openat2 SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs
        SYS_faccessat SYS_faccessat2 SYS_truncate SYS_getdents64 SYS_getcwd SYS_chdir SYS_fchdir
        SYS_mkdirat SYS_unlinkat SYS_symlinkat SYS_linkat SYS_renameat2 SYS_readlinkat SYS_fchmod
        SYS_fchmodat SYS_fchown SYS_fchownat SYS_utimensat SYS_umask SYS_setxattr SYS_lsetxattr
        SYS_fsetxattr SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_listxattr SYS_llistxattr
        SYS_flistxattr SYS_removexattr SYS_lremovexattr SYS_fremovexattr SYS_inotify_init1
        SYS_inotify_add_watch SYS_inotify_rm_watch },
        // waiting
        calls! { SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait
        SYS_epoll_pwait2 SYS_eventfd2 SYS_signalfd4 SYS_timerfd_create SYS_timerfd_settime
        SYS_timerfd_gettime SYS_futex SYS_futex_waitv SYS_set_robust_list SYS_get_robust_list
        SYS_membarrier SYS_rseq SYS_restart_syscall },
        // memory
        calls! { SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_msync
        SYS_mincore SYS_mlock SYS_mlock2 SYS_munlock SYS_mlockall SYS_munlockall SYS_pkey_alloc
        SYS_pkey_free SYS_pkey_mprotect SYS_mseal SYS_remap_file_pages SYS_mbind SYS_get_mempolicy
        SYS_set_mempolicy SYS_set_mempolicy_home_node },
        // processes and threads
        calls! { SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill
        SYS_tkill SYS_tgkill SYS_pidfd_open SYS_pidfd_send_signal SYS_process_mrelease SYS_getpid
        SYS_getppid SYS_gettid SYS_getpgid SYS_setpgid SYS_getsid SYS_setsid SYS_set_tid_address
        SYS_prctl SYS_seccomp SYS_landlock_create_ruleset SYS_landlock_add_rule
        SYS_landlock_restrict_self SYS_getrusage SYS_prlimit64 SYS_getpriority SYS_setpriority
        SYS_ioprio_get SYS_ioprio_set SYS_sched_yield SYS_sched_getaffinity SYS_sched_setaffinity
        SYS_sched_getparam SYS_sched_setparam SYS_sched_getscheduler SYS_sched_setscheduler
        SYS_sched_getattr SYS_sched_setattr SYS_sched_get_priority_max SYS_sched_get_priority_min
        SYS_sched_rr_get_interval },
        // identity: the kernel refuses what needs a capability
        calls! { SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid
        SYS_getgroups SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid
        SYS_setfsuid SYS_setfsgid SYS_setgroups SYS_capget SYS_capset },
        // signals
        calls! { SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigpending SYS_rt_sigsuspend
        SYS_rt_sigtimedwait SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_rt_sigreturn
        SYS_sigaltstack },
        // time
        calls! { SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_clock_adjtime
        SYS_adjtimex SYS_gettimeofday SYS_nanosleep SYS_times SYS_getitimer SYS_setitimer
        SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete },
        // sockets; `socket` itself is looked at
        calls! { SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_connect SYS_shutdown SYS_sendto
        SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg SYS_getsockname
        SYS_getpeername SYS_getsockopt SYS_setsockopt },
        // System V and POSIX queues, in a namespace of their own
        calls! { SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl SYS_semget SYS_semop SYS_semtimedop
        SYS_semctl SYS_shmget SYS_shmat SYS_shmdt SYS_shmctl SYS_mq_open SYS_mq_unlink
        SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr },
        // the machine, read only
        calls! { SYS_uname SYS_sysinfo SYS_getcpu SYS_getrandom },
        ALLOWED_HERE,
        // Newer than the libc crate's lists; from 424 on all architectures number alike:
        // cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue
        calls! { 451 452 453 454 455 456 },
        // setxattrat getxattrat listxattrat removexattrat, file_getattr file_setattr
        calls! { 463 464 465 466 468 469 },
    ]
};

#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[c_long] = {
    use libc::*;
    calls! { SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_poll SYS_select SYS_pipe SYS_dup2
    SYS_getdents SYS_rename SYS_renameat SYS_mkdir SYS_rmdir SYS_link SYS_unlink SYS_symlink
    SYS_readlink SYS_chmod SYS_chown SYS_lchown SYS_utime SYS_utimes SYS_futimesat
    SYS_sync_file_range SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_signalfd SYS_inotify_init
    SYS_fork SYS_vfork SYS_getpgrp SYS_getrlimit SYS_setrlimit SYS_alarm SYS_pause SYS_time
    SYS_arch_prctl
    // uretprobe and uprobe, which the kernel makes a traced program call
    335 336 }
};
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE: &[c_long] = calls! {
    // renameat sync_file_range getrlimit setrlimit: not in the libc crate for glibc
    38 84 163 164
};

const REFUSED_CALLS: &[&[c_long]] = {
    use libc::*;
    &[
        // namespaces, mounts and roots
        calls! { SYS_unshare SYS_setns SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_open_tree
        SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick SYS_mount_setattr
        SYS_name_to_handle_at SYS_open_by_handle_at SYS_quotactl SYS_quotactl_fd
        467 /* open_tree_attr */ },
        // other processes
        calls! { SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_process_madvise
        SYS_pidfd_getfd SYS_kcmp SYS_migrate_pages SYS_move_pages SYS_fanotify_init
        SYS_fanotify_mark },
        // large kernel parts with a history of holes
        calls! { SYS_bpf SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register
        SYS_perf_event_open SYS_userfaultfd SYS_memfd_secret SYS_add_key SYS_request_key SYS_keyctl
        SYS_lookup_dcookie },
        // the machine
        calls! { SYS_kexec_load SYS_init_module SYS_finit_module SYS_delete_module SYS_reboot
        SYS_swapon SYS_swapoff SYS_settimeofday SYS_clock_settime SYS_sethostname SYS_setdomainname
        SYS_syslog SYS_acct SYS_vhangup SYS_nfsservctl },
        REFUSED_HERE,
    ]
};

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = {
    use libc::*;
    calls! { SYS_kexec_file_load SYS_iopl SYS_ioperm SYS_modify_ldt SYS_uselib SYS_ustat SYS_sysfs }
};
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[c_long] = calls! { 294 /* kexec_file_load */ };

/// Namespaces `clone` can make. `CLONE_NEWTIME` lies in its signal byte: only `clone3` has it.
const NEW_NAMESPACES: u32 = (CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET) as u32;

static CLONE: Look =
    Look { argument: 0, mask: NEW_NAMESPACES, cases: &[(0, Verdict::Allow)], otherwise: REFUSED };

/// Keystrokes pushed into the terminal whoever started us sits at, the console's own ioctl, and those of
/// sockets for which the host loads a module (linux/sockios.h; `sock_ioctl` of the kernel).
static IOCTL: Look = Look {
    argument: 1,
    mask: u32::MAX,
    cases: &[
        (TIOCSTI as u32, REFUSED),
        (TIOCLINUX as u32, REFUSED),
        (0x8940, REFUSED), // SIOCGIFBR
        (0x8941, REFUSED), // SIOCSIFBR
        (0x8980, REFUSED), // SIOCADDDLCI, until Linux 5.13
        (0x8981, REFUSED), // SIOCDELDLCI
        (0x8982, REFUSED), // SIOCGIFVLAN
        (0x8983, REFUSED), // SIOCSIFVLAN
        (0x89a0, REFUSED), // SIOCBRADDBR
        (0x89a1, REFUSED), // SIOCBRDELBR
        (0x89a2, REFUSED), // SIOCBRADDIF
        (0x89a3, REFUSED), // SIOCBRDELIF
    ],
    otherwise: Verdict::Allow,
};

static SOCKET: Look = Look {
    argument: 0,
    mask: u32::MAX,
    cases: &[
        (AF_UNIX as u32, Verdict::Allow),
        (AF_INET as u32, Verdict::Look(&IPV4)),
        (AF_INET6 as u32, Verdict::Look(&IPV6)),
        (AF_NETLINK as u32, Verdict::Look(&NETLINK)),
    ],
    otherwise: Verdict::Errno(EAFNOSUPPORT),
};

/// The bits of a socket's type that name it; those above are `SOCK_CLOEXEC` and `SOCK_NONBLOCK`, and the
/// kernel refuses any other (linux/net.h, `SOCK_TYPE_MASK`).
const SOCKET_TYPE: u32 = 0xf;

static IPV4: Look = Look {
    argument: 1,
    mask: SOCKET_TYPE,
    cases: &[
        (SOCK_STREAM as u32, Verdict::Look(&STREAMS)),
        (SOCK_DGRAM as u32, Verdict::Look(&DATAGRAMS_IPV4)),
        (SOCK_RAW as u32, REFUSED),
    ],
    otherwise: Verdict::Errno(ESOCKTNOSUPPORT),
};

static IPV6: Look = Look {
    argument: 1,
    mask: SOCKET_TYPE,
    cases: &[
        (SOCK_STREAM as u32, Verdict::Look(&STREAMS)),
        (SOCK_DGRAM as u32, Verdict::Look(&DATAGRAMS_IPV6)),
        (SOCK_RAW as u32, REFUSED),
    ],
    otherwise: Verdict::Errno(ESOCKTNOSUPPORT),
};

static STREAMS: Look = Look {
    argument: 2,
    mask: u32::MAX,
    cases: &[
        (IPPROTO_IP as u32, Verdict::Allow), // the type's own
        (IPPROTO_TCP as u32, Verdict::Allow),
        (IPPROTO_MPTCP as u32, Verdict::Allow),
    ],
    otherwise: Verdict::Errno(EPROTONOSUPPORT),
};

static DATAGRAMS_IPV4: Look = Look {
    argument: 2,
    mask: u32::MAX,
    cases: &[
        (IPPROTO_IP as u32, Verdict::Allow),
        (IPPROTO_UDP as u32, Verdict::Allow),
        (IPPROTO_ICMP as u32, Verdict::Allow),
    ],
    otherwise: Verdict::Errno(EPROTONOSUPPORT),
};

static DATAGRAMS_IPV6: Look = Look {
    argument: 2,
    mask: u32::MAX,
    cases: &[
        (IPPROTO_IP as u32, Verdict::Allow),
        (IPPROTO_UDP as u32, Verdict::Allow),
        (IPPROTO_ICMPV6 as u32, Verdict::Allow),
    ],
    otherwise: Verdict::Errno(EPROTONOSUPPORT),
};

static NETLINK: Look = Look {
    argument: 2,
    mask: u32::MAX,
    cases: &[(NETLINK_ROUTE as u32, Verdict::Allow)],
    otherwise: Verdict::Errno(EPROTONOSUPPORT),
};

static PERSONALITY: Look = Look {
    argument: 0,
    mask: u32::MAX,
    // 0xffffffff only asks (personality(2)).
    cases: &[
        (0, Verdict::Allow),
        (ADDR_NO_RANDOMIZE as u32, Verdict::Allow),
        (u32::MAX, Verdict::Allow),
    ],
    otherwise: REFUSED,
};

#[cfg(target_arch = "x86_64")]
static MKNOD: Look = no_devices(1);
static MKNODAT: Look = no_devices(2);

/// Devices are refused; fifos, sockets and plain files are not.
const fn no_devices(mode_argument: u8) -> Look {
    Look {
        argument: mode_argument,
        mask: S_IFMT,
        cases: &[(S_IFCHR, REFUSED), (S_IFBLK, REFUSED)],
        otherwise: Verdict::Allow,
    }
}

const LOOKED_AT: &[(c_long, Verdict)] = &[
    (libc::SYS_clone, Verdict::Look(&CLONE)),
    (libc::SYS_ioctl, Verdict::Look(&IOCTL)),
    (libc::SYS_socket, Verdict::Look(&SOCKET)),
    (libc::SYS_socketpair, Verdict::Look(&SOCKET)),
    (libc::SYS_personality, Verdict::Look(&PERSONALITY)),
    (libc::SYS_mknodat, Verdict::Look(&MKNODAT)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, Verdict::Look(&MKNOD)),
    (libc::SYS_sync, PRETENDED),
    (libc::SYS_syncfs, PRETENDED),
];

/// Every decided call with its answer, by number.
pub(super) fn rules() -> Vec<(u32, Verdict)> {
    let flat = |lists: &'static [&'static [c_long]], verdict| {
        lists.iter().copied().flatten().map(move |number| (*number, verdict))
    };
    let mut rules: Vec<(u32, Verdict)> = flat(ALLOWED, Verdict::Allow)
        .chain(flat(REFUSED_CALLS, REFUSED))
        .chain(LOOKED_AT.iter().copied())
        .map(|(number, verdict)| (number as u32, verdict))
        .collect();
    rules.sort_unstable_by_key(|(number, _)| *number);
    rules
}
