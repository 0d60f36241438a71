//! Percent-encoding and query strings.

/// The pairs after `?`, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = |text: &str| decode(&text.replace('+', " "));
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Self { pairs: pairs.collect() }
    }

    /// Every value of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let found = self.pairs.iter().filter(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of this name, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(key, _)| key == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }
}

/// Replaces `%XX`; what is no such thing stays, what is no UTF-8 afterwards becomes U+FFFD.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_once() {
        let query = Query::parse(Some("Qualifier=%24LATEST&a+b=c%2Bd&Marker=&x"));
        assert_eq!(query.get("Qualifier"), Some("$LATEST"));
        assert_eq!(query.get("a b"), Some("c+d"));
        assert_eq!((query.get("Marker"), query.get("x"), query.get("y")), (None, None, None));
        assert_eq!(decode("arn%3Aaws%3a%zz%2"), "arn:aws:%zz%2");
        assert_eq!(decode("%2524"), "%24");
    }
}
