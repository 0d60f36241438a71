//! The layer of `LAMBDABOX_*` variables.
//!
//! An empty variable counts as unset, since that is the only way some shells can take one away.

use super::notice::Notice;
use super::place::Origin;
use super::problem::Problem;
use super::raw::{Raw, of_variable};
use super::setting::{ROWS, VARIABLE_PREFIX, nearest};
use super::{Caller, Setting};

/// Read elsewhere, for tests and benchmarks: the phases of a cold start, a shorter init limit, longer
/// limits of all kinds.
const HIDDEN: [&str; 4] = [
    "LAMBDABOX_TIMINGS",
    "LAMBDABOX_INIT_LIMIT_MS",
    "LAMBDABOX_RESTORE_LIMIT_MS",
    "LAMBDABOX_TIME_SCALE",
];

/// Reads the variables; an unknown one is worth a warning only, it may belong to another version.
pub(crate) fn read(caller: &Caller, problems: &mut Vec<Problem>, notices: &mut Vec<Notice>) -> Raw {
    let names: Vec<(Setting, String)> =
        ROWS.iter().map(|row| (row.setting, row.setting.variable())).collect();
    let mut raw = Raw::default();
    for (name, value) in &caller.env {
        let Some(name) = name.to_str().filter(|name| name.starts_with(VARIABLE_PREFIX)) else {
            continue;
        };
        if value.is_empty() || HIDDEN.contains(&name) {
            continue;
        }
        let Some((setting, _)) = names.iter().find(|(_, known)| known == name) else {
            // Without the beginning that all share, which would make everything alike.
            let bare = |name: &'static str| name.trim_start_matches('-');
            let flags = ROWS.iter().map(|row| bare(row.flag));
            let meant = nearest(&name[VARIABLE_PREFIX.len()..], flags)
                .and_then(|flag| names.iter().find(|(s, _)| bare(s.flag()) == flag))
                .map(|(_, known)| format!("; did you mean {known}?"))
                .unwrap_or_default();
            notices.push(Notice::warning(format!("{name} is not a variable of lambdabox{meant}")));
            continue;
        };
        match value.to_str() {
            Some(text) => {
                raw.set(*setting, of_variable(*setting, text), Origin::Variable(name.to_owned()));
            }
            None => problems.push(Problem::NotText { name: name.to_owned() }),
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::caller;

    #[test]
    fn known_variables_are_read_and_unknown_ones_warned_about() {
        let caller = caller(
            "/",
            &[
                ("LAMBDABOX_MEMORY_SIZE", "512"),
                ("LAMBDABOX_MEMORYSIZE", "1"),
                ("LAMBDABOX_REGION", ""),
                ("HOME", "/h"),
            ],
        );
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        let raw = read(&caller, &mut problems, &mut notices);
        assert!(problems.is_empty());
        assert_eq!(raw.text(Setting::MemorySize).unwrap().0, "512");
        assert!(raw.get(Setting::Region).is_none(), "empty is unset");
        let said: Vec<_> = notices.iter().map(|n| n.text.as_str()).collect();
        assert_eq!(
            said,
            ["LAMBDABOX_MEMORYSIZE is not a variable of lambdabox; \
             did you mean LAMBDABOX_MEMORY_SIZE?"]
        );
    }
}
