//! A caller whose surroundings are odd: a log that takes nothing, a mask that hides nothing, a firewall
//! program that lies.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::geteuid;

use crate::harness::{Function, alone, invoke, lambdabox, no_nat};

const HELLO: &str = "def lambda_handler(event, context):\n    print('log')\n    return 1\n";

#[test]
fn a_standard_error_that_takes_nothing_does_not_change_the_answer() {
    if !geteuid().is_root() {
        skip!("a shell of root's is in between");
    }
    let function = Function::python(HELLO);
    let run = invoke(&function).env("LAMBDABOX_TIMINGS", "1");
    let run = run.inside("exec 2>/dev/full", &[]).run().answered();
    assert_eq!(run.text().trim(), "1");
    lambdabox(["doctor"]).inside("exec 2>/dev/full", &[]).run().expect_code(0);
    lambdabox(["invoke", "/nonexistent"]).inside("exec 2>/dev/full", &[]).run().expect_code(2);
}

#[test]
fn no_directory_of_ours_can_be_written_by_others_whatever_the_umask() {
    if !geteuid().is_root() {
        skip!("a shell of root's is in between");
    }
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("not/there/yet");
    let run = invoke(&Function::python(HELLO)).data(&data).inside("umask 0", &[]).run();
    run.answered();
    let mut seen = 0;
    let mut open = vec![place.path().join("not")];
    while let Some(path) = open.pop() {
        let mode = std::fs::symlink_metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o022, 0, "{} has mode {mode:o}", path.display());
        seen += 1;
        for entry in std::fs::read_dir(&path).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    assert!(seen > 4, "there were only {seen}");
}

#[test]
fn rules_that_cannot_be_taken_away_are_said_and_swept_by_the_next_start() {
    if !geteuid().is_root() {
        skip!("the firewall is root's");
    }
    if let Some(reason) = no_nat() {
        skip!("{reason}");
    }
    let Some(real) =
        ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].into_iter().find(|p| Path::new(p).exists())
    else {
        skip!("nft is not installed");
    };
    let _machine = alone();
    // It loads what it is given, says that it has not, and fails ever after.
    let bin = tempfile::tempdir().unwrap();
    let liar = bin.path().join("nft");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = -f ] && ! [ -e {0}/loaded ]; then {real} -f -; : > {0}/loaded; fi\n\
         echo broken >&2\nexit 1\n",
        bin.path().display()
    );
    std::fs::write(&liar, script).unwrap();
    std::fs::set_permissions(&liar, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let tables = || {
        let listed = std::process::Command::new(real).args(["list", "tables"]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().matches("lambdabox_").count()
    };
    let function = Function::python(HELLO);
    let data = tempfile::tempdir().unwrap();
    let nat = || invoke(&function).args(["--network", "nat"]).data(data.path()).while_alone();
    let run = nat().env("PATH", path).run().expect_code(3);
    run.said(&[
        "error: failed to load the firewall rules",
        "broken",
        "warning: failed to clean up",
    ]);
    assert_eq!(tables(), 1, "it is there, and nobody can take it away");
    let run = nat().run().answered();
    run.said(&["cleaned up after 1 instance"]);
    assert_eq!(tables(), 0);
}
