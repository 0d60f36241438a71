//! The compiled program against the table, by running it: a small interpreter of classic BPF.

use libc::{CLONE_NEWUSER, EAFNOSUPPORT, ENOSYS, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT};

use super::*;

/// Runs a program as `kernel/seccomp.c` would and returns the answer.
/// Panics on anything the kernel's checker would refuse.
fn run(program: &[Instruction], architecture: u32, number: u32, arguments: [u64; 6]) -> Verdict {
    let word = |offset: u32| match offset {
        0 => number,
        4 => architecture,
        16..64 if offset.is_multiple_of(8) => arguments[(offset as usize - 16) / 8] as u32,
        other => panic!("load at {other}"),
    };
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        match u32::from(code) {
            0x20 => accumulator = word(k),
            0x54 => accumulator &= k,
            0x15 => at += usize::from(if accumulator == k { jt } else { jf }),
            0x35 => at += usize::from(if accumulator >= k { jt } else { jf }),
            0x06 => match k & 0xffff_0000 {
                libc::SECCOMP_RET_ALLOW => return Verdict::Allow,
                libc::SECCOMP_RET_ERRNO => return Verdict::Errno((k & 0xffff) as i32),
                other => panic!("answer {other:#x}"),
            },
            other => panic!("operation {other:#x}"),
        }
    }
}

fn answer(number: i64, arguments: [u64; 6]) -> Verdict {
    run(&filter().program, ARCHITECTURE, number as u32, arguments)
}

/// Values at and around everything an argument is compared with, with noise in the high half too.
fn interesting_values() -> Vec<u64> {
    let mut values: Vec<u64> = (0..64).map(|bit| 1 << bit).collect();
    values.extend(0..48);
    for special in [
        u64::from(libc::TIOCSTI as u32),
        u64::from(libc::TIOCLINUX as u32),
        u64::from(libc::S_IFCHR) | 0o666,
        u64::from(libc::S_IFBLK) | 0o600,
        u64::from(libc::S_IFIFO) | 0o600,
        u64::from(libc::S_IFSOCK) | 0o600,
        u64::from(libc::S_IFREG),
        libc::ADDR_NO_RANDOMIZE as u64,
        u64::from(u32::MAX),
        u64::MAX,
    ] {
        values.extend([special - 1, special, special.wrapping_add(1), special | 0xdead << 32]);
    }
    values
}

#[test]
fn the_program_answers_every_number_and_argument_as_the_table_does() {
    let program = filter().program;
    let rules = rules();
    let x32 = (0..600).map(|number| number | 0x4000_0000);
    for number in (0..=600).chain(x32).chain([1 << 16, 1 << 31, u32::MAX - 1, u32::MAX]) {
        let verdict = rules
            .iter()
            .find(|(ruled, _)| *ruled == number)
            .map_or(ABSENT, |(_, verdict)| *verdict);
        for position in 0..6 {
            for value in interesting_values() {
                let mut arguments = [0x5555_5555_0000_0010; 6];
                arguments[position] = value;
                assert_eq!(
                    run(&program, ARCHITECTURE, number, arguments),
                    verdict.judge(arguments),
                    "number {number}, argument {position} = {value:#x}"
                );
            }
        }
    }
}

#[test]
fn calls_of_another_architecture_do_not_exist() {
    const I386: u32 = 0x4000_0003;
    const ARM: u32 = 0x4000_0028;
    for number in 0..=600 {
        for architecture in [I386, ARM, 0, ARCHITECTURE ^ 1] {
            assert_eq!(
                run(&filter().program, architecture, number, [0; 6]),
                Verdict::Errno(ENOSYS)
            );
        }
    }
}

#[test]
fn every_jump_lands_inside_and_the_last_instruction_returns() {
    let program = filter().program;
    assert!(program.len() <= 200, "{} instructions", program.len());
    for (at, instruction) in program.iter().enumerate() {
        let (jt, jf) = (usize::from(instruction.jt), usize::from(instruction.jf));
        assert!(at + 1 + jt.max(jf) < program.len() || instruction.code == 0x06, "at {at}");
    }
    assert_eq!(program.last().map(|last| last.code), Some(0x06));
}

#[test]
fn nothing_but_looked_at_calls_reads_an_argument() {
    // Else the kernel could not cache the answer and each such call would run the program.
    let program = filter().program;
    for (number, verdict) in rules() {
        if !matches!(verdict, Verdict::Look(_)) {
            let (zeros, ones) = ([0; 6], [u64::MAX; 6]);
            assert_eq!(
                run(&program, ARCHITECTURE, number, zeros),
                run(&program, ARCHITECTURE, number, ones)
            );
        }
    }
}

#[test]
fn no_call_is_ruled_twice() {
    let rules = rules();
    for pair in rules.windows(2) {
        assert!(pair[0].0 < pair[1].0, "number {} stands in two lists", pair[1].0);
    }
}

#[test]
fn the_absent_calls_are_absent_on_purpose() {
    // Architecture-specific or dropped by the kernel:
    // _sysctl create_module get_kernel_syms query_module getpmsg putpmsg afs_syscall tuxcall security;
    // set_thread_area and get_thread_area are for 32-bit programs;
    // epoll_ctl_old epoll_wait_old vserver
    // Asynchronous I/O: io_setup io_destroy io_getevents io_submit io_cancel, io_pgetevents.
    #[cfg(target_arch = "x86_64")]
    let (last_own, own) = {
        let dropped = [156, 174, 177, 178, 181, 182, 183, 184, 185, 205, 211, 214, 215, 236];
        let mut own = [&dropped[..], &[206, 207, 208, 209, 210, 333]].concat();
        own.sort_unstable();
        (336, own)
    };
    // The block asm-generic keeps for architectures, where aarch64 has nothing, between the two of
    // asynchronous I/O.
    #[cfg(target_arch = "aarch64")]
    let (last_own, own) = (294, (0..=4).chain(244..=259).chain([292]).collect::<Vec<u32>>());
    // clone3; statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules
    let common = [435, 457, 458, 459, 460, 461];

    let ruled: Vec<u32> = rules().into_iter().map(|(number, _)| number).collect();
    let absent: Vec<u32> =
        (0..=last_own).chain(424..=469).filter(|number| !ruled.contains(number)).collect();
    assert_eq!(absent, [own, common.to_vec()].concat());
}

#[test]
fn what_must_be_refused_is_refused() {
    for number in [
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_mount_setattr,
        libc::SYS_bpf,
        libc::SYS_io_uring_setup,
        libc::SYS_perf_event_open,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_reboot,
        libc::SYS_clock_settime,
        libc::SYS_open_by_handle_at,
        libc::SYS_pidfd_getfd,
    ] {
        assert_eq!(answer(number, [0; 6]), Verdict::Errno(EPERM), "number {number}");
    }
    assert_eq!(answer(libc::SYS_clone3, [0; 6]), Verdict::Errno(ENOSYS));
    assert_eq!(answer(9999, [0; 6]), Verdict::Errno(ENOSYS));
}

#[test]
fn asynchronous_io_does_not_exist() {
    #[cfg(target_arch = "x86_64")]
    const IO_PGETEVENTS: i64 = 333;
    #[cfg(target_arch = "aarch64")]
    const IO_PGETEVENTS: i64 = 292;
    for number in [
        libc::SYS_io_setup,
        libc::SYS_io_destroy,
        libc::SYS_io_submit,
        libc::SYS_io_cancel,
        libc::SYS_io_getevents,
        IO_PGETEVENTS,
    ] {
        for arguments in [[0; 6], [1; 6], [u64::MAX; 6]] {
            assert_eq!(answer(number, arguments), Verdict::Errno(ENOSYS), "number {number}");
        }
    }
}

#[test]
fn clone_makes_threads_and_children_but_no_namespaces() {
    // pthread_create and fork of glibc
    for flags in [0x003d_0f00, 0x0120_0011, libc::SIGCHLD as u64] {
        assert_eq!(answer(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]), Verdict::Allow);
    }
    for bit in [17, 25, 26, 27, 28, 29, 30] {
        let arguments = [1 << bit | libc::SIGCHLD as u64, 0, 0, 0, 0, 0];
        assert_eq!(answer(libc::SYS_clone, arguments), Verdict::Errno(EPERM), "bit {bit}");
    }
    let high_noise = 0xffff_0000_0000_0000 | CLONE_NEWUSER as u64;
    assert_eq!(answer(libc::SYS_clone, [high_noise, 0, 0, 0, 0, 0]), Verdict::Errno(EPERM));
}

#[test]
fn only_ordinary_socket_families_exist() {
    let socket = |family: i32, protocol: i32| {
        answer(libc::SYS_socket, [family as u64, 1, protocol as u64, 0, 0, 0])
    };
    for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        assert_eq!(socket(family, 6), Verdict::Allow);
    }
    assert_eq!(socket(libc::AF_NETLINK, libc::NETLINK_ROUTE), Verdict::Allow);
    assert_eq!(socket(libc::AF_NETLINK, libc::NETLINK_NETFILTER), Verdict::Errno(EPROTONOSUPPORT));
    for family in [libc::AF_PACKET, libc::AF_VSOCK, libc::AF_ALG, libc::AF_CAN, 44, -1] {
        assert_eq!(socket(family, 0), Verdict::Errno(EAFNOSUPPORT), "family {family}");
    }
}

#[test]
fn of_the_internets_protocols_there_are_tcp_udp_and_ping() {
    const FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    const SCTP: u64 = 132;
    let answers = |family: i32, kind: i32, protocol: u64| {
        let arguments = [family as u64, kind as u64, protocol, 0, 0, 0];
        let socket = answer(libc::SYS_socket, arguments);
        let pair = answer(libc::SYS_socketpair, arguments);
        assert_eq!(socket, pair, "{family} {kind} {protocol}");
        socket
    };
    for (family, ping) in [(libc::AF_INET, 1), (libc::AF_INET6, 58)] {
        for flags in [0, libc::SOCK_CLOEXEC, FLAGS] {
            for protocol in [0, 6, 262] {
                let stream = answers(family, libc::SOCK_STREAM | flags, protocol);
                assert_eq!(stream, Verdict::Allow, "{family} {protocol}");
            }
            for protocol in [0, 17, ping] {
                let datagram = answers(family, libc::SOCK_DGRAM | flags, protocol);
                assert_eq!(datagram, Verdict::Allow, "{family} {protocol}");
            }
        }
        // DCCP, L2TP, SCTP, UDP-Lite, SMC; no int below 0; the kernel drops the high half.
        for protocol in [33, 115, SCTP, 136, 256, u64::MAX, SCTP | 1 << 32, SCTP | 0xdead << 32] {
            for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_STREAM | FLAGS] {
                let refused = answers(family, kind, protocol);
                assert_eq!(refused, Verdict::Errno(EPROTONOSUPPORT), "{family} {kind} {protocol}");
            }
        }
        // SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP and SOCK_PACKET, whatever the protocol.
        for kind in [0, 4, 5, 6, 10, 15, 6 | libc::SOCK_CLOEXEC] {
            let refused = answers(family, kind, 0);
            assert_eq!(refused, Verdict::Errno(ESOCKTNOSUPPORT), "{family} {kind}");
        }
        assert_eq!(answers(family, libc::SOCK_RAW, ping), Verdict::Errno(EPERM));
    }
}

#[test]
fn every_socket_is_answered_as_the_table_does() {
    // Three arguments decide together, which one after another does not show.
    let program = filter().program;
    let rules = rules();
    let noise = |value: u64| [value, value | 0xdead_0000_0000];
    for number in [libc::SYS_socket as u32, libc::SYS_socketpair as u32] {
        let (_, verdict) = rules.iter().find(|(ruled, _)| *ruled == number).expect("it is ruled");
        for family in [0, 1, 2, 3, 10, 16, 38].into_iter().flat_map(noise) {
            for kind in (0..=16).chain([0x801, 0x8_0002]).flat_map(noise) {
                for protocol in (0..300).chain([u64::MAX]).flat_map(noise) {
                    let arguments = [family, kind, protocol, 0, 0, 0];
                    assert_eq!(
                        run(&program, ARCHITECTURE, number, arguments),
                        verdict.judge(arguments),
                        "{family:#x} {kind:#x} {protocol:#x}"
                    );
                }
            }
        }
    }
}

#[test]
fn no_ioctl_of_a_socket_loads_a_module() {
    for request in [0x8940..=0x8941, 0x8980..=0x8983, 0x89a0..=0x89a3].into_iter().flatten() {
        for noise in [0, 1 << 32, 0xffff_ffff << 32] {
            let arguments = [3, request | noise, 0, 0, 0, 0];
            assert_eq!(answer(libc::SYS_ioctl, arguments), Verdict::Errno(EPERM), "{request:#x}");
        }
    }
    // SIOCGIFCONF SIOCGIFADDR SIOCGIFINDEX, as getifaddrs of some libraries and `ip` have it
    for request in [0x8912, 0x8915, 0x8933, 0x8942] {
        assert_eq!(answer(libc::SYS_ioctl, [3, request, 0, 0, 0, 0]), Verdict::Allow);
    }
}

#[test]
fn keystrokes_cannot_be_pushed_into_a_terminal_even_with_high_bits_set() {
    for request in [libc::TIOCSTI as u32, libc::TIOCLINUX as u32].map(u64::from) {
        for noise in [0, 1 << 32, 0xffff_ffff << 32] {
            let arguments = [0, request | noise, 0, 0, 0, 0];
            assert_eq!(answer(libc::SYS_ioctl, arguments), Verdict::Errno(EPERM));
        }
    }
    assert_eq!(
        answer(libc::SYS_ioctl, [0, u64::from(libc::TIOCGWINSZ as u32), 0, 0, 0, 0]),
        Verdict::Allow
    );
}

#[test]
fn fifos_can_be_made_and_devices_cannot() {
    let make = |kind: u32| answer(libc::SYS_mknodat, [0, 0, u64::from(kind | 0o600), 0x0103, 0, 0]);
    assert_eq!(make(libc::S_IFIFO), Verdict::Allow);
    assert_eq!(make(libc::S_IFSOCK), Verdict::Allow);
    assert_eq!(make(libc::S_IFREG), Verdict::Allow);
    assert_eq!(make(libc::S_IFCHR), Verdict::Errno(EPERM));
    assert_eq!(make(libc::S_IFBLK), Verdict::Errno(EPERM));
}

#[test]
fn sync_reports_success_without_touching_the_hosts_disks() {
    assert_eq!(answer(libc::SYS_sync, [0; 6]), Verdict::Errno(0));
    assert_eq!(answer(libc::SYS_fsync, [0; 6]), Verdict::Allow);
}

#[test]
fn the_filter_is_the_same_each_time_and_says_what_it_is() {
    assert_eq!(filter(), filter());
    let line = describe().to_string();
    assert!(line.contains("system calls allowed"), "{line}");
    assert!(!line.contains('\n'));
}
