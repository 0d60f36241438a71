//! Usage as JSON: by function, by day, or by both.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::price::{gb_seconds, pico_dollars};
use crate::pool::Snapshot;
use crate::store::{Totals, UsageRow};

/// How totals are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// One line for each function.
    Function,
    /// One line for each day.
    Day,
    /// One for each function and day.
    FunctionAndDay,
}

/// What was used, in all and in parts, and what idle environments cost.
pub fn usage_report(rows: &[UsageRow], by: UsageBy, pool: &Snapshot) -> Value {
    let mut parts: BTreeMap<(Option<&str>, Option<&str>), Totals> = BTreeMap::new();
    let mut all = Totals::default();
    for row in rows {
        let (function, day) = (row.function.as_str(), row.day.as_str());
        let key = match by {
            UsageBy::Function => (Some(function), None),
            UsageBy::Day => (None, Some(day)),
            UsageBy::FunctionAndDay => (Some(function), Some(day)),
        };
        parts.entry(key).or_default().add(&row.totals);
        all.add(&row.totals);
    }
    let parts = parts.iter().map(|((function, day), totals)| {
        let mut part = Map::new();
        for (name, value) in [("function", function), ("day", day)] {
            if let Some(value) = value {
                part.insert(name.to_owned(), json!(value));
            }
        }
        part.extend(figures(totals));
        Value::Object(part)
    });
    let parts: Vec<Value> = parts.collect();
    let environments = pool.environments;
    json!({
        "usage": parts,
        "total": figures(&all),
        // Only invocations are counted: an environment that waits adds to nothing above.
        "idle": {
            "environments": environments.idle + environments.frozen,
            "billed_ms": 0,
            "gb_seconds": 0.0,
            "cost_usd": 0.0,
        },
        "prices": "us-east-1, first tier, without the monthly free tier",
    })
}

fn figures(totals: &Totals) -> Map<String, Value> {
    let figures = json!({
        "invocations": totals.invocations,
        "errors": totals.errors,
        "cold_starts": totals.cold,
        "resets": totals.reset,
        "init_ms": totals.init_us as f64 / 1e3,
        "billed_ms": totals.billed_ms,
        "gb_seconds": gb_seconds(totals),
        "cost_usd": pico_dollars(totals) as f64 / 1e12,
    });
    match figures {
        Value::Object(figures) => figures,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(function: &str, day: &str, invocations: u64) -> UsageRow {
        let totals = Totals { invocations, billed_ms: invocations, ..Totals::default() };
        UsageRow { function: function.to_owned(), day: day.to_owned(), totals }
    }

    #[test]
    fn parts_add_up_to_the_total_whichever_way_they_are_made() {
        let rows = [row("a", "1", 1), row("a", "2", 2), row("b", "2", 4)];
        for (by, invocations) in [
            (UsageBy::Function, vec![3, 4]),
            (UsageBy::Day, vec![1, 6]),
            (UsageBy::FunctionAndDay, vec![1, 2, 4]),
        ] {
            let report = usage_report(&rows, by, &Snapshot::default());
            let parts = report["usage"].as_array().unwrap();
            let found: Vec<u64> =
                parts.iter().map(|part| part["invocations"].as_u64().unwrap()).collect();
            assert_eq!(found, invocations, "{by:?}");
            assert_eq!(report["total"]["invocations"], 7);
            assert_eq!(report["idle"]["cost_usd"], 0.0);
        }
    }
}
