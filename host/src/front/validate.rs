//! The model's own rules, collected: AWS reports all that are broken together.
//!
//! # Sources
//! `reference/lambda-service.md` section 1, "Errors".

use std::ops::RangeInclusive;

use super::error::ApiError;

/// Rules that were broken so far.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    texts: Vec<String>,
}

impl Violations {
    /// One broken rule, its value as AWS prints it.
    pub(crate) fn add(&mut self, path: &str, value: &str, rule: &str) {
        self.texts
            .push(format!("Value '{value}' at '{path}' failed to satisfy constraint: {rule}"));
    }

    /// A member that must be there and is not.
    pub(crate) fn null(&mut self, path: &str) {
        self.texts.push(format!(
            "Value null at '{path}' failed to satisfy constraint: Member must not be null"
        ));
    }

    /// Length in characters.
    pub(crate) fn length(&mut self, path: &str, text: &str, limits: RangeInclusive<usize>) {
        let length = text.chars().count();
        if length > *limits.end() {
            let rule = format!("Member must have length less than or equal to {}", limits.end());
            self.add(path, text, &rule);
        }
        if length < *limits.start() {
            let rule =
                format!("Member must have length greater than or equal to {}", limits.start());
            self.add(path, text, &rule);
        }
    }

    /// How many items a list has.
    pub(crate) fn list_length(
        &mut self,
        path: &str,
        list: &[String],
        limits: RangeInclusive<usize>,
    ) {
        if list.len() > *limits.end() {
            let rule = format!("Member must have length less than or equal to {}", limits.end());
            self.list(path, list, &rule);
        }
        if list.len() < *limits.start() {
            let rule =
                format!("Member must have length greater than or equal to {}", limits.start());
            self.list(path, list, &rule);
        }
    }

    /// Items that are each one of a set of words.
    pub(crate) fn list_words(&mut self, path: &str, list: &[String], words: &[&str]) {
        if !list.iter().all(|item| words.contains(&item.as_str())) {
            self.list_of(path, list, &words.join(", "));
        }
    }

    /// A list with an item that is not one of these words.
    pub(crate) fn list_of(&mut self, path: &str, list: &[String], words: &str) {
        let rule = format!(
            "Member must satisfy constraint: [Member must satisfy enum value set: [{words}], \
             Member must not be null]"
        );
        self.list(path, list, &rule);
    }

    /// A rule that a list breaks, printed as AWS prints lists.
    pub(crate) fn list(&mut self, path: &str, list: &[String], rule: &str) {
        self.add(path, &format!("[{}]", list.join(", ")), rule);
    }

    /// A number within limits.
    pub(crate) fn number(&mut self, path: &str, number: i64, limits: RangeInclusive<i64>) {
        if number > *limits.end() {
            let rule = format!("Member must have value less than or equal to {}", limits.end());
            self.add(path, &number.to_string(), &rule);
        }
        if number < *limits.start() {
            let rule =
                format!("Member must have value greater than or equal to {}", limits.start());
            self.add(path, &number.to_string(), &rule);
        }
    }

    /// A text that was found not to be of its pattern.
    pub(crate) fn pattern(&mut self, path: &str, text: &str, pattern: &str) {
        let rule = format!("Member must satisfy regular expression pattern: {pattern}");
        self.add(path, text, &rule);
    }

    /// One of a set of words.
    pub(crate) fn word(&mut self, path: &str, text: &str, words: &[&str]) {
        if !words.contains(&text) {
            let rule = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            self.add(path, text, &rule);
        }
    }

    /// All of them as one error.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let count = self.texts.len();
        let errors = match count {
            0 => return Ok(()),
            1 => "error",
            _ => "errors",
        };
        let texts = self.texts.join("; ");
        Err(ApiError::validation(format!("{count} validation {errors} detected: {texts}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_are_reported_together_in_awss_words() {
        let mut violations = Violations::default();
        violations.null("role");
        violations.number("timeout", 901, 1..=900);
        violations.number("memorySize", 128, 128..=10_240);
        violations.word("packageType", "Tar", &["Image", "Zip"]);
        violations.length("description", "ab", 0..=1);
        let error = violations.finish().unwrap_err();
        let expected = "{\"message\":\"4 validation errors detected: Value null at 'role' failed to \
            satisfy constraint: Member must not be null; Value '901' at 'timeout' failed to satisfy \
            constraint: Member must have value less than or equal to 900; Value 'Tar' at \
            'packageType' failed to satisfy constraint: Member must satisfy enum value set: [Image, \
            Zip]; Value 'ab' at 'description' failed to satisfy constraint: Member must have length \
            less than or equal to 1\"}";
        assert_eq!(String::from_utf8(error.body()).unwrap(), expected);
        assert!(Violations::default().finish().is_ok());
    }
}
