//! Methods a Ruby file offers as handlers: `name`, and `Class.name` of methods of classes.
//!
//! By lines and indentation, which Ruby does not ask for and nearly everybody keeps.

use super::TopLevel;

/// One `class` or `module` that is open, and how far it is indented.
struct Open<'a> {
    name: &'a str,
    indent: usize,
    /// Inside `class << self` every method is the class's own.
    own_methods: bool,
}

pub(super) fn top_level(source: &str) -> TopLevel {
    let mut names = TopLevel::default();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut in_comment = false;
    // Indentation of the method whose body is being passed over.
    let mut body_of: Option<usize> = None;
    for line in source.lines() {
        if line.starts_with("=begin") || line.starts_with("=end") {
            in_comment = line.starts_with("=begin");
            continue;
        }
        let text = line.trim_start();
        if in_comment || text.is_empty() || text.starts_with('#') {
            continue;
        }
        if line == "__END__" {
            break;
        }
        let indent = line.len() - text.len();
        if body_of.is_some_and(|method| indent > method) {
            continue;
        }
        body_of = None;
        while open.last().is_some_and(|o| indent < o.indent || (indent == o.indent && ends(text))) {
            open.pop();
        }
        if text.starts_with("class << self") {
            open.push(Open { name: "", indent, own_methods: true });
        } else if let Some(rest) =
            text.strip_prefix("class ").or_else(|| text.strip_prefix("module "))
        {
            let name = constant(rest);
            if open.is_empty() {
                names.others.push(name.to_owned());
            }
            if !text.trim_end().ends_with("end") {
                open.push(Open { name, indent, own_methods: false });
            }
        } else if let Some(method) = method(text) {
            names.functions.extend(method.handler(&open));
            body_of = Some(indent);
        } else if opens_more(text) {
            names.open_ended = true;
        }
    }
    names
}

struct Method<'a> {
    name: &'a str,
    of_class: bool,
}

impl Method<'_> {
    /// As a handler's text has it; none if nobody can call it without an object.
    fn handler(&self, open: &[Open<'_>]) -> Option<String> {
        let own = self.of_class || open.last().is_some_and(|o| o.own_methods);
        match (open.is_empty(), own) {
            (true, false) => Some(self.name.to_owned()),
            (false, true) => {
                let path: Vec<&str> =
                    open.iter().map(|o| o.name).filter(|name| !name.is_empty()).collect();
                Some(format!("{}.{}", path.join("::"), self.name))
            }
            _ => None,
        }
    }
}

fn method(text: &str) -> Option<Method<'_>> {
    let text =
        text.strip_prefix("private ").or_else(|| text.strip_prefix("public ")).unwrap_or(text);
    let rest = text.strip_prefix("def ")?.trim_start();
    let (rest, of_class) = match rest.strip_prefix("self.") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let end =
        rest.find(|c: char| !(c.is_alphanumeric() || "_?!".contains(c))).unwrap_or(rest.len());
    (end > 0).then(|| Method { name: &rest[..end], of_class })
}

fn constant(rest: &str) -> &str {
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    &rest[..end.unwrap_or(rest.len())]
}

fn ends(text: &str) -> bool {
    text.strip_prefix("end")
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Lines after which methods may be there that are not to be seen.
fn opens_more(text: &str) -> bool {
    ["require_relative", "load ", "include ", "extend ", "define_method", "alias", "eval"]
        .iter()
        .any(|word| text.starts_with(word))
        || text.contains("define_method")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_the_file_and_of_classes_are_offered() {
        let names = top_level(
            "require 'json'\n# def commented(event:, context:)\n=begin\ndef hidden\n=end\n\
             def lambda_handler(event:, context:)\n  def inner; end\nend\n\
             def short(event:, context:) = 1\n\
             module App\n  class Handler\n    def self.process(event:, context:)\n    end\n\
             \x20   def instance; end\n    class << self\n      def other(event:, context:)\n      end\n    end\n\
             \x20 end\nend\nclass Empty < StandardError; end\ndef last(event:, context:)\nend\n__END__\ndef data\n",
        );
        assert_eq!(
            names.functions,
            ["lambda_handler", "short", "App::Handler.process", "App::Handler.other", "last"]
        );
        assert_eq!(names.others, ["App", "Empty"]);
        assert!(!names.open_ended);
    }

    #[test]
    fn what_may_bring_more_methods_leaves_the_list_open() {
        for line in
            ["require_relative 'more'", "include Handlers", "self.class.define_method(:x) {}"]
        {
            assert!(top_level(line).open_ended, "{line}");
        }
        assert!(!top_level("require 'json'").open_ended);
    }
}
