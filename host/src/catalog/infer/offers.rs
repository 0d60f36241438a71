//! What to pass instead, in words.

use lambdabox_runtimes::scan::TopLevel;

/// Candidates listed in a message before the rest is left out.
const MAX_OFFERED: usize = 8;

pub(super) fn pass_handler(offers: &[String]) -> String {
    if offers.is_empty() {
        return "name it with --handler MODULE.FUNCTION".to_owned();
    }
    let listed: Vec<String> =
        offers.iter().take(MAX_OFFERED).map(|offer| format!("--handler {offer}")).collect();
    format!("pass {}", listed.join(" or "))
}

/// Handlers a module could serve, private functions left out.
pub(super) fn offered(module: &str, names: &Option<TopLevel>) -> Vec<String> {
    let functions = names.iter().flat_map(|names| &names.functions);
    functions
        .filter(|function| !function.starts_with('_'))
        .map(|function| format!("{module}.{function}"))
        .collect()
}
