//! The AWS tools' two files, read as far as keys need: sections of `name = value` lines.
//!
//! As their own parser reads them: names in lower case, comments only on lines of their own, and a
//! line indented deeper than the one above belongs to that one's value (none of ours has such).
//!
//! # Sources
//! AWS SDKs and tools reference, "shared config and credentials files".

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::problem::Problem;

/// Settings of one section, names in lower case.
pub(crate) type Section = BTreeMap<String, String>;
/// Sections by header.
pub(crate) type Sections = BTreeMap<String, Section>;

/// Reads a file; one that does not exist has no sections.
pub(crate) fn read(path: &Path) -> Result<Sections, Problem> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sections::new()),
        Err(source) => Err(Problem::FileUnreadable { path: path.to_owned(), source }),
    }
}

fn parse(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut section: Option<&mut Section> = None;
    let mut indent_above: Option<usize> = None;
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        let content = line.trim();
        let indent = line.len() - line.trim_start().len();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = content.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or(header).trim();
            section = Some(sections.entry(header.to_owned()).or_default());
            indent_above = None;
            continue;
        }
        if indent_above.is_some_and(|above| indent > above) {
            continue;
        }
        indent_above = Some(indent);
        if let (Some(section), Some((name, value))) = (section.as_mut(), content.split_once('=')) {
            section.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

/// The profile that a header of the config file names: `default`, or what follows `profile`.
pub(crate) fn profile_of_config(header: &str) -> Option<&str> {
    if header == "default" {
        return Some(header);
    }
    let name = header.strip_prefix("profile")?;
    name.starts_with([' ', '\t']).then(|| name.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_names_and_values_are_read() {
        let sections = parse(
            "# c\n[default]\nAWS_Access_Key_Id = AKIA\naws_secret_access_key=a=b/c+d\n\n\
             [profile dev]\n; c\n  region = eu-west-1\n  s3 =\n    endpoint = x\n  output=json\nlost\n",
        );
        assert_eq!(sections["default"]["aws_access_key_id"], "AKIA");
        assert_eq!(sections["default"]["aws_secret_access_key"], "a=b/c+d");
        let dev = &sections["profile dev"];
        assert_eq!((dev["region"].as_str(), dev["output"].as_str()), ("eu-west-1", "json"));
        assert!(!dev.contains_key("endpoint"));
    }

    #[test]
    fn config_headers_name_profiles() {
        for (header, profile) in [
            ("default", Some("default")),
            ("profile dev", Some("dev")),
            ("profile \"my dev\"", Some("my dev")),
            ("profiles", None),
            ("sso-session x", None),
        ] {
            assert_eq!(profile_of_config(header), profile);
        }
    }
}
