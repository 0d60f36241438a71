//! What a JavaScript module exports, as far as its text says it plainly.
//!
//! Bundlers export in many ways, so whatever mentions exports and is not understood makes the module
//! open-ended: any name may be there.

use super::TopLevel;

/// Words after which an exported name follows.
const DECLARATIONS: [&str; 7] =
    ["async function*", "async function", "function*", "function", "const", "let", "var"];

pub(super) fn javascript(source: &str) -> TopLevel {
    let text = without_comments(source);
    let mut names = TopLevel::default();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("export") {
        let before = rest[..at].chars().next_back();
        let word = &rest[at..];
        let end = word.find(|c: char| !is_name(c)).unwrap_or(word.len());
        let after = word[end..].trim_start();
        if before.is_none_or(|c| !is_name(c)) {
            match &word[..end] {
                "export" => statement(after, &mut names),
                "exports" => member(after, &mut names),
                _ => names.open_ended |= word[..end].len() == "export".len(),
            }
        } else if word.starts_with("exports") {
            // `__exports`, `src_exports`: a bundler's own.
            names.open_ended = true;
        }
        rest = &word[end.max(1)..];
    }
    names
}

/// What follows `export`.
fn statement(text: &str, names: &mut TopLevel) {
    for declaration in DECLARATIONS {
        let after =
            text.strip_prefix(declaration).filter(|rest| rest.starts_with([' ', '\t', '\n']));
        if let Some(name) = after.and_then(identifier) {
            names.functions.push(name.to_owned());
            return;
        }
    }
    match (text.strip_prefix('{'), text.strip_prefix("class ").and_then(identifier)) {
        (Some(list), _) => {
            let list = list.split('}').next().unwrap_or_default();
            for item in list.split(',') {
                let bound = item.rsplit_once(" as ").map_or(item, |(_, name)| name);
                names.functions.extend(identifier(bound).map(str::to_owned));
            }
        }
        (None, Some(class)) => names.others.push(class.to_owned()),
        // `export default`, `export *`: the name is not here.
        (None, None) => names.open_ended = true,
    }
}

/// What follows `exports`.
fn member(text: &str, names: &mut TopLevel) {
    if let Some(name) = text.strip_prefix('.').and_then(identifier) {
        let after = text[1..].trim_start()[name.len()..].trim_start();
        if after.starts_with('=') && !after.starts_with("==") {
            names.functions.push(name.to_owned());
            return;
        }
    }
    names.open_ended = true;
    // `= { a, b: c, async d() {} }`: names to offer; there may be more.
    let Some(object) = text.strip_prefix('=').and_then(|rest| rest.trim_start().strip_prefix('{'))
    else {
        return;
    };
    let object = object.split('}').next().unwrap_or_default();
    for item in object.split(',') {
        let bare = item.trim_start().strip_prefix("async ").unwrap_or(item);
        names.functions.extend(identifier(bare).map(str::to_owned));
    }
}

/// The name a text begins with.
fn identifier(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let end = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
    let name = &text[..end];
    name.starts_with(|c: char| !c.is_numeric()).then_some(name)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Comments become a blank. A string that holds `//`, an address say, may lose its end, which matters
/// to nobody here.
fn without_comments(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        text.push_str(&rest[..at]);
        text.push(' ');
        let end = if rest[at..].starts_with("/*") {
            rest[at + 2..].find("*/").map(|end| at + 2 + end + 2)
        } else {
            rest[at..].find('\n').map(|end| at + end)
        };
        rest = end.map_or("", |end| &rest[end..]);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_exports_are_seen() {
        let found = javascript(
            "import x from 'y';\nexport const handler = async () => 1;\n\
             export async function other() {}\nexport { a, b as c };\nexport class K {}\n\
             exports.old = () => {};\nmodule.exports.older = function () {};\n",
        );
        assert_eq!(found.functions, ["handler", "other", "a", "c", "old", "older"]);
        assert_eq!(found.others, ["K"]);
        assert!(!found.open_ended);
    }

    #[test]
    fn what_is_exported_in_another_way_leaves_the_module_open() {
        for source in [
            "module.exports = { handler, other: 1 };",
            "module.exports = __toCommonJS(src_exports);",
            "Object.defineProperty(exports, 'handler', {});",
            "export * from './app.mjs';",
            "export default { handler() {} };",
            "__exportStar(require('./a'), exports);",
        ] {
            assert!(javascript(source).open_ended, "{source}");
        }
        assert!(javascript("module.exports = { handler, async work() {} };").has("work"));
    }

    #[test]
    fn comments_and_other_words_are_no_exports() {
        let found =
            javascript("// exports.handler = 1\n/* export const handler */\nconst exporter = 1;");
        assert_eq!(found, TopLevel::default());
        for text in ["export", "exports", "exports.", "/*", "export {", "é// export"] {
            javascript(text);
        }
    }
}
