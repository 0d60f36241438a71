//! Rules that somebody removes are in force again, for environments that run and for new ones.

use std::{fs, os::fd::AsFd, os::unix::fs::symlink};

use super::lab::{HOST, Lab, OUTSIDE, run, until};
use crate::sandbox::network::{NatError, NatMeans, nft::Nft};

/// What a restart of Debian's nftables.service begins with.
const FLUSH: &str = "flush ruleset";

fn rules_are_there() -> bool {
    run("nft", "list tables").contains("lambdabox_5")
}

fn wires_are_there() -> bool {
    run("ip", "-br link").contains("lbx5n")
}

#[test]
fn a_running_environment_does_not_reach_the_host_after_a_flush() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    let before = lab.machine();
    lab.as_host(async || {
        let (nat, _) = lab.nat(5).await;
        lab.connect(&nat, 1, "a").await;
        lab.assert_dropped("a", HOST, 8080);
        let table = run("nft", "-s list table inet lambdabox_5");
        // Twice: once loaded again, it is still watched.
        for _ in 0..2 {
            run("nft", FLUSH);
            until("the rules are loaded again", rules_are_there).await;
            lab.assert_dropped("a", HOST, 8080);
            assert_eq!(lab.ask("a", OUTSIDE, 80).unwrap(), HOST.to_string());
        }
        assert_eq!(run("nft", "-s list table inet lambdabox_5"), table);
        nat.close().await.unwrap();
        assert!(!rules_are_there(), "nor does our own removal bring them back");
    });
    assert_eq!(lab.machine(), before);
}

#[test]
fn a_new_environment_has_its_rules_before_its_wire_after_a_flush() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    lab.as_host(async || {
        let (nat, _) = lab.nat(5).await;
        run("nft", FLUSH);
        lab.connect(&nat, 1, "a").await;
        assert!(rules_are_there());
        lab.assert_dropped("a", HOST, 8080);
        lab.ask("a", OUTSIDE, 80).unwrap();
        nat.close().await.unwrap();
    });
}

#[test]
fn a_firewall_that_is_loaded_anew_lets_environments_through_and_is_given_back_unchanged() {
    // One transaction, as `nft -f` makes of a file.
    const REPLACE: &str = "flush ruleset ; add table ip filter ; \
        add chain ip filter forward { type filter hook forward priority 0 ; policy drop ; }";
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    lab.add("b");
    lab.as_host(async || {
        run("nft", REPLACE);
        let before = run("nft", "-s list ruleset");
        let (nat, _) = lab.nat(5).await;
        lab.connect(&nat, 1, "a").await;
        let gates = || run("nft", "list chain ip filter forward").matches("lambdabox_5").count();
        assert_eq!(gates(), 2);
        run("nft", REPLACE);
        assert_eq!(gates(), 0);
        until("the chain lets environments through", || gates() > 0).await;
        lab.ask("a", OUTSIDE, 80).unwrap();
        lab.assert_dropped("a", HOST, 8080);
        // With our table alone removed, what stands in the chain is not doubled.
        run("nft", "delete table inet lambdabox_5");
        lab.connect(&nat, 2, "b").await;
        assert_eq!(gates(), 2);
        nat.close().await.unwrap();
        assert_eq!(run("nft", "-s list ruleset"), before);
    });
}

#[test]
fn without_rules_that_can_be_loaded_there_is_no_wire_and_no_start() {
    let Some(mut lab) = Lab::build() else { return };
    lab.add("a");
    lab.add("b");
    let (real, program) = (lab.means.nft.program.clone(), lab.state.path().join("nft"));
    symlink(&real, &program).unwrap();
    lab.as_host(async || {
        let means = NatMeans { nft: Nft { program: program.clone() } };
        let (nat, _) = lab.nat_by(means, 5).await;
        lab.connect(&nat, 1, "a").await;
        fs::remove_file(&program).unwrap();
        run("nft", FLUSH);
        until("the wires are gone", || !wires_are_there()).await;
        lab.assert_unreachable("a", HOST, 8080);
        let refused = nat.connect(2, lab.open("b").as_fd()).await;
        let error = refused.expect_err("it would not be confined");
        assert!(matches!(error, NatError::RulesGone { .. }), "{error}");
        assert!(error.remedy().is_some());
        assert!(!wires_are_there());

        symlink(&real, &program).unwrap();
        lab.connect(&nat, 2, "b").await;
        lab.assert_dropped("b", HOST, 8080);
        lab.ask("b", OUTSIDE, 80).unwrap();
        nat.close().await.unwrap();
    });
}
