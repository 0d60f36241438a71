//! The REPORT line, taken apart.

use std::collections::BTreeMap;

/// One `REPORT` line of the log.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// Whose report it is.
    pub(crate) request_id: String,
    fields: BTreeMap<String, String>,
}

impl Report {
    /// Every REPORT line of a log, in order.
    pub(crate) fn all(log: &str) -> Vec<Self> {
        log.lines().filter(|line| line.starts_with("REPORT RequestId: ")).map(Self::parse).collect()
    }

    fn parse(line: &str) -> Self {
        let mut fields = BTreeMap::new();
        for part in
            line.strip_prefix("REPORT ").unwrap().split('\t').filter(|part| !part.is_empty())
        {
            let (name, value) = part
                .split_once(": ")
                .unwrap_or_else(|| panic!("a REPORT field without value: {line}"));
            fields.insert(name.to_owned(), value.to_owned());
        }
        Self { request_id: fields.remove("RequestId").expect("REPORT has a RequestId"), fields }
    }

    /// A field's text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field's number without its unit.
    pub(crate) fn number(&self, name: &str) -> f64 {
        let text = self.text(name).unwrap_or_else(|| panic!("REPORT lacks {name}: {self:?}"));
        let number = text.split(' ').next().unwrap();
        number.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    }
}
