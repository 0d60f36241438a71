//! Files of `NAME=value` lines, for `--env-file`.
//!
//! Rules, those that dotenv libraries agree on: blank lines and lines starting with `#` are
//! skipped; `export ` before a name is allowed; blanks around name and value do not count; an
//! unquoted value ends at a `#` after a blank; `'…'` is literal; `"…"` knows `\n \r \t \\ \" \$`;
//! both quotes may span lines. The last of two lines for one name counts.
//!
//! Not here on purpose: `$NAME` is not replaced. Libraries (dotenvy among them) take its value from
//! the process' own environment, and nothing of the caller's environment may reach a function
//! unasked. That, and errors with a line, is why this is not a library.

use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

use super::problem::Problem;

/// One line's variable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) line: usize,
}

/// Reads a file's text.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<Line>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut scanner = Scanner { chars: text.chars().peekable(), line: 1 };
    let mut lines = Vec::new();
    loop {
        match scanner.variable() {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => return Ok(lines),
            Err((line, message)) => {
                return Err(Problem::Dotenv { path: path.to_owned(), line, message });
            }
        }
    }
}

type Refused = (usize, &'static str);

struct Scanner<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next();
        if c == Some('\n') {
            self.line += 1;
        }
        c
    }

    /// Says how many there were.
    fn skip_blanks(&mut self) -> usize {
        let mut blanks = 0;
        while self.chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {
            blanks += 1;
        }
        blanks
    }

    /// Up to the end of the line, which is left.
    fn skip_line(&mut self) {
        while self.chars.next_if(|c| *c != '\n').is_some() {}
    }

    fn variable(&mut self) -> Result<Option<Line>, Refused> {
        loop {
            self.skip_blanks();
            match self.chars.peek() {
                None => return Ok(None),
                Some('\n') => drop(self.next()),
                Some('#') => self.skip_line(),
                Some(_) => break,
            }
        }
        let line = self.line;
        let mut name = String::new();
        while let Some(c) = self.chars.next_if(|c| *c != '=' && *c != '\n') {
            name.push(c);
        }
        if self.chars.next_if_eq(&'=').is_none() {
            return Err((line, "this line has no `=` (--env NAME copies a variable)"));
        }
        let name = name.trim();
        let name = match name.strip_prefix("export") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim(),
            _ => name,
        };
        if name.is_empty() {
            return Err((line, "this line has no name before `=`"));
        }
        let blanks = self.skip_blanks();
        let value = match self.chars.peek() {
            Some('\'') => self.quoted('\'')?,
            Some('"') => self.quoted('"')?,
            _ => self.plain(blanks),
        };
        Ok(Some(Line { name: name.to_owned(), value, line }))
    }

    /// After `blanks`, which decide whether a `#` right here is a comment or `=#fff`.
    fn plain(&mut self, blanks: usize) -> String {
        let mut value = String::new();
        while let Some(c) = self.chars.next_if(|c| *c != '\n') {
            let after_blank = match value.is_empty() {
                true => blanks > 0,
                false => value.ends_with([' ', '\t']),
            };
            if c == '#' && after_blank {
                self.skip_line();
                break;
            }
            value.push(c);
        }
        value.trim_end().to_owned()
    }

    fn quoted(&mut self, quote: char) -> Result<String, Refused> {
        let opened = self.line;
        self.next();
        let mut value = String::new();
        loop {
            match self.next() {
                None => return Err((opened, "the quote that opens here is never closed")),
                Some(c) if c == quote => break,
                Some('\\') if quote == '"' => value.push_str(&self.escaped()),
                Some(c) => value.push(c),
            }
        }
        self.skip_blanks();
        match self.chars.peek() {
            None | Some('\n') => Ok(value),
            Some('#') => {
                self.skip_line();
                Ok(value)
            }
            Some(_) => Err((self.line, "there is text after the closing quote")),
        }
    }

    /// What follows a backslash in double quotes; one that means nothing stays as it is.
    fn escaped(&mut self) -> String {
        match self.next() {
            Some('n') => "\n".into(),
            Some('r') => "\r".into(),
            Some('t') => "\t".into(),
            Some(c @ ('\\' | '"' | '$')) => c.into(),
            Some(c) => format!("\\{c}"),
            None => "\\".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_dotenv_files_are_written() {
        for (text, value) in [
            ("A1=b", "b"),
            ("  export  A1 =  b  ", "b"),
            ("A1=", ""),
            ("A1=   # nothing", ""),
            ("A1=b # c", "b"),
            ("A1=b#c", "b#c"),
            ("A1=#fff", "#fff"),
            ("A1=x=y=z", "x=y=z"),
            ("A1='b # $C \\n'", "b # $C \\n"),
            ("A1=\"b\\n\\\"c\\\" \\$D \\x\" # d", "b\n\"c\" $D \\x"),
            ("A1=\"two\nlines\"", "two\nlines"),
            ("A1=b'c'", "b'c'"),
            ("A1=$HOME/${X}", "$HOME/${X}"),
            ("\u{feff}# c\r\n\r\nA1=b\r\n", "b"),
            ("export=1\nA1=b", "b"),
        ] {
            let lines = parse(Path::new("f"), text).unwrap();
            let last = lines.last().unwrap();
            assert_eq!((last.name.as_str(), last.value.as_str()), ("A1", value), "{text:?}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for (text, said) in [
            ("A1=b\n\nNAME\n", "f:3: this line has no `=` (--env NAME copies a variable)"),
            ("=b", "f:1: this line has no name before `=`"),
            ("A1=b\nA2=\"c\nd", "f:2: the quote that opens here is never closed"),
            ("A1='b' c", "f:1: there is text after the closing quote"),
        ] {
            assert_eq!(parse(Path::new("f"), text).unwrap_err().to_string(), said, "{text:?}");
        }
    }

    #[test]
    fn lines_keep_their_numbers_across_quoted_lines() {
        let lines = parse(Path::new("f"), "A1='x\ny'\n#c\nA2=z").unwrap();
        assert_eq!(lines.iter().map(|l| l.line).collect::<Vec<_>>(), [1, 4]);
    }
}
