//! How long each part takes, for reading.

use std::time::{Duration, Instant};

use super::lab::Lab;

/// Not a limit, a measurement: `cargo test -- --ignored --nocapture how_long`.
#[test]
#[ignore = "prints times, asserts nothing about them"]
fn how_long_each_part_takes() {
    const ROUNDS: u32 = 15;
    let Some(mut lab) = Lab::build() else { return };
    let mut times: Vec<(&str, Vec<Duration>)> =
        ["open", "connect", "disconnect", "close"].map(|part| (part, Vec::new())).into();
    for round in 0..ROUNDS {
        let name = format!("e{round}");
        lab.add(&name);
        let measured = lab.as_host(async || {
            let start = Instant::now();
            let (nat, _) = lab.nat(5).await;
            let opened = Instant::now();
            lab.connect(&nat, round, &name).await;
            let connected = Instant::now();
            nat.disconnect(round).await.unwrap();
            let disconnected = Instant::now();
            nat.close().await.unwrap();
            let closed = Instant::now();
            [opened - start, connected - opened, disconnected - connected, closed - disconnected]
        });
        for ((_, all), one) in times.iter_mut().zip(measured) {
            all.push(one);
        }
    }
    for (part, mut all) in times {
        all.sort();
        println!(
            "{part}: p50 {:?} min {:?} max {:?}",
            all[all.len() / 2],
            all[0],
            all[all.len() - 1]
        );
    }
}
