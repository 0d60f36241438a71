//! Programs that do not run, made byte by byte.

use super::*;

fn of(bytes: &[u8]) -> Option<Fault> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bootstrap");
    std::fs::write(&file, bytes).unwrap();
    fault(&file, dir.path(), None)
}

/// The first bytes of an ELF file for a processor.
fn elf_of(machine: u16) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16] = 2;
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes
}

#[test]
fn scripts_are_judged_by_their_first_line() {
    for (script, fault) in [
        (&b"#!/bin/sh\nexit\n"[..], None),
        (b"#!/usr/bin/env sh\n", None),
        (b"#! /bin/sh -e\n", None),
        (b"#!/bin/sh\r\nexit\r\n", Some(Fault::CarriageReturn { interpreter: "/bin/sh".into() })),
        (b"#!/no/such\n", Some(Fault::NoInterpreter { interpreter: "/no/such".into() })),
        (b"#!/usr/bin/env no-such\n", Some(Fault::NoInterpreter { interpreter: "no-such".into() })),
        (b"#!/var/task/own\n", Some(Fault::NoInterpreter { interpreter: "/var/task/own".into() })),
        (b"MZ", Some(Fault::NoProgram)),
        (b"", Some(Fault::NoProgram)),
        (b"#!", None),
    ] {
        assert_eq!(of(script), fault, "{}", String::from_utf8_lossy(script));
    }
}

#[test]
fn a_program_for_another_processor_is_told_from_its_header_alone() {
    let (own, other) = match std::env::consts::ARCH {
        "x86_64" => (EM_X86_64, EM_AARCH64),
        _ => (EM_AARCH64, EM_X86_64),
    };
    assert!(matches!(of(&elf_of(other)), Some(Fault::Machine { .. })));
    assert!(!matches!(of(&elf_of(own)), Some(Fault::Machine { .. })));
    assert_eq!(of(b"\x7fELF"), None, "what is cut short is not understood");
}

#[test]
fn this_very_program_has_no_fault() {
    let own = std::env::current_exe().unwrap();
    assert_eq!(fault(&own, Path::new("/nonexistent"), None), None);
}

#[test]
fn every_fault_names_what_mends_it() {
    for (fault, remedy) in [
        (Fault::CarriageReturn { interpreter: "/bin/sh".into() }, "sed -i"),
        (Fault::NoProgram, "#!/bin/sh"),
        (Fault::Machine { is: "i386".into(), wanted: "x86_64" }, "GOARCH=amd64"),
        (Fault::NoLoader { loader: "/lib/ld-musl-x86_64.so.1".into() }, "statically"),
        (Fault::Library { library: "libx.so.1".into(), needed_by: None }, "lib/ of the package"),
        (Fault::Glibc { wanted: "2.99".into(), has: "2.36".into() }, "older system"),
    ] {
        assert!(fault.to_string().contains(remedy), "{fault}");
    }
}
