//! `lambdabox.toml` and a host's `config.toml`: finding them, and reading them into a layer of settings.
//!
//! Read by walking the parsed table instead of through serde, because serde stops at the first
//! unknown key or wrong type and the user is to hear of all of them, each with its line.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Setting;
use super::caller::Caller;
use super::forward;
use super::notice::Notice;
use super::place::Origin;
use super::problem::Problem;
use super::raw::{Raw, Value, WrittenVariable};
use super::setting::{FLAGS_ALONE, Kind, Scope, nearest, rows};
use super::strangers::{self, Stranger};

/// What the file is called.
pub(crate) const NAME: &str = "lambdabox.toml";
/// The table of the function's variables.
const ENV_TABLE: &str = "env";

/// A file that was found, and what it says.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) raw: Raw,
    /// Whoever else could have written it.
    pub(crate) stranger: Option<Stranger>,
}

/// Settings by which a file can hand out keys, files and services of the caller's.
const HANDING_OVER: [Setting; 11] = [
    Setting::Network,
    Setting::Credentials,
    Setting::Profile,
    Setting::Forwards,
    Setting::XrayDaemon,
    Setting::OtlpEndpoint,
    Setting::Layers,
    Setting::Venv,
    Setting::EnvFile,
    Setting::EnvVars,
    Setting::Event,
];

/// The nearest file, from `directory` up to the root of the file system.
///
/// One further up counts only if it is the caller's, root's or of whoever owns the directory: anybody may put
/// one into `/tmp`, and it could hand the caller's keys to the caller's own function, or its network.
pub(crate) fn find(
    directory: &Path,
    caller: &Caller,
    problems: &mut Vec<Problem>,
    notices: &mut Vec<Notice>,
) -> Option<Found> {
    let owner_of_code = fs::metadata(directory).map(|data| data.uid()).ok();
    for place in directory.ancestors() {
        let path = place.join(NAME);
        match read_with_metadata(&path) {
            Ok((_, data))
                if place != directory
                    && ![0, caller.uid].contains(&data.uid())
                    && Some(data.uid()) != owner_of_code =>
            {
                let (path, owner) = (path.display(), data.uid());
                notices.push(Notice::warning(format!("{path} is not used: it is uid {owner}'s")));
            }
            Ok((text, data)) => {
                let raw = read(&path, &text, Scope::Function, problems);
                let stranger = strangers::of_file(&path, &data, caller);
                return Some(Found { path, raw, stranger });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                problems.push(Problem::FileUnreadable { path, source });
                return None;
            }
        }
    }
    None
}

fn read_with_metadata(path: &Path) -> io::Result<(String, fs::Metadata)> {
    let file = fs::File::open(path)?;
    let data = file.metadata()?;
    Ok((io::read_to_string(file)?, data))
}

/// Says what of the caller's the file hands to the function.
///
/// # Errors
/// If somebody else could have written the file.
pub(crate) fn handed_over(
    path: &Path,
    stranger: Option<Stranger>,
    merged: &Raw,
) -> Result<Option<Notice>, Problem> {
    let all = handing_over(path, stranger, merged);
    match stranger {
        _ if all.is_empty() => Ok(None),
        Some(stranger) => Err(Problem::OfAStranger { path: path.to_owned(), stranger, all }),
        None => {
            let text = format!("{} gives the function: {}", path.display(), all.join(", "));
            Ok(Some(Notice::normal(text)))
        }
    }
}

/// What of the merged settings is the file's and of the caller's to give.
fn handing_over(path: &Path, stranger: Option<Stranger>, merged: &Raw) -> Vec<String> {
    let is_of_it =
        |origin: &Origin| matches!(origin, Origin::File { path: file, .. } if file == path);
    let said = |setting: Setting| {
        let written = merged.get(setting)?;
        let value = match &written.value {
            Value::Text(text) => text.clone(),
            Value::List(list) => list.join(", "),
        };
        let harmless = match setting {
            Setting::Network => value != "host",
            Setting::Credentials => value != "env",
            Setting::Event if value == "-" => true,
            // The event itself, unless a link has that name: a file wins over JSON (`event`).
            Setting::Event => {
                stranger.is_none() && serde_json::from_str::<IgnoredAny>(&value).is_ok()
            }
            _ => value.is_empty(),
        };
        let written_there = is_of_it(&written.origin) && !harmless;
        written_there.then(|| format!("{} = {value}", setting.row().key))
    };
    // Forwarded by itself.
    let services = merged.env.iter().filter(|variable| {
        is_of_it(&variable.origin)
            && forward::endpoint_port(&variable.name, &variable.value).is_some()
    });
    let services = services.map(|variable| format!("{} = {}", variable.name, variable.value));
    HANDING_OVER.into_iter().filter_map(said).chain(services).collect()
}

/// The file at `path`; `None` if there is none.
pub(crate) fn of_host(path: &Path, problems: &mut Vec<Problem>) -> Option<Raw> {
    match fs::read_to_string(path) {
        Ok(text) => Some(read(path, &text, Scope::Host, problems)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => {
            problems.push(Problem::FileUnreadable { path: path.to_owned(), source });
            None
        }
    }
}

/// Reads the text of a file.
pub(crate) fn read(path: &Path, text: &str, scope: Scope, problems: &mut Vec<Problem>) -> Raw {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { path, text, scope, problems, raw: Raw::default() };
    if errors.is_empty() {
        reader.table(table.get_ref());
    }
    for error in errors {
        let (line, column) = reader.position(error.span().map_or(0, |span| span.start));
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        reader.problems.push(Problem::Toml { path: path.to_owned(), line, column, message });
    }
    reader.raw
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    scope: Scope,
    problems: &'a mut Vec<Problem>,
    raw: Raw,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>) {
        // By line, because the parser keeps keys in the order of the alphabet.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let line = self.position(key.span().start).0;
            let name: &str = key.get_ref();
            match Setting::of_key(name, self.scope) {
                Some(setting) => self.setting(setting, line, value.get_ref()),
                None if name == ENV_TABLE && self.scope == Scope::Function => {
                    self.env(line, value.get_ref())
                }
                None => self.unknown(name, line),
            }
        }
    }

    fn setting(&mut self, setting: Setting, line: usize, value: &DeValue<'_>) {
        let row = setting.row();
        if self.scope == Scope::Function && setting.is_the_machines() {
            let (path, key) = (self.path.to_owned(), row.key.to_owned());
            self.problems.push(Problem::NotOfAFile { path, line, key, flag: row.flag });
            return;
        }
        let (read, expected) = match row.kind {
            Kind::Text | Kind::Path => (text(value), "a string"),
            Kind::Number => (text(value).or_else(|| integer(value)), "a whole number"),
            Kind::Switch => (switch(value), "true or false"),
            Kind::Paths => {
                (text(value).or_else(|| list(value, text)), "a string or an array of strings")
            }
            Kind::List => {
                let item = |item: &DeValue<'_>| text(item).or_else(|| integer(item));
                let expected = match setting {
                    Setting::Forwards => "an array of ports",
                    _ => "an array of strings",
                };
                (item(value).or_else(|| list(value, item)), expected)
            }
        };
        let origin = Origin::File { path: self.path.to_owned(), line };
        match read {
            Some(value) => self.raw.set(setting, value, origin),
            None => self.wrong_type(setting.key(), line, expected, value),
        }
    }

    fn env(&mut self, line: usize, value: &DeValue<'_>) {
        let Some(table) = value.as_table() else {
            self.wrong_type(ENV_TABLE, line, "a table of strings", value);
            return;
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let (key, value): (&Spanned<_>, &DeValue<'_>) = (key, value.get_ref());
            let line = self.position(key.span().start).0;
            let name = key.get_ref().to_string();
            let Some(Value::Text(value)) =
                text(value).or_else(|| integer(value)).or_else(|| switch(value))
            else {
                self.wrong_type(&format!("env.{name}"), line, "a string", value);
                continue;
            };
            let origin = Origin::File { path: self.path.to_owned(), line };
            self.raw.env.push(WrittenVariable { name, value, origin });
        }
    }

    fn unknown(&mut self, key: &str, line: usize) {
        let path = self.path.to_owned();
        let normal = key.replace('-', "_");
        self.problems.push(if FLAGS_ALONE.contains(&normal.as_str()) {
            Problem::FlagAlone { path, line, key: key.to_owned() }
        } else {
            let env = (self.scope == Scope::Function).then_some(ENV_TABLE);
            let known = rows(self.scope).map(|row| row.key).chain(env);
            let meant = nearest(key, known).map(str::to_owned);
            Problem::UnknownKey { path, line, key: key.to_owned(), meant, scope: self.scope }
        });
    }

    fn wrong_type(&mut self, key: &str, line: usize, expected: &'static str, value: &DeValue<'_>) {
        let (path, key, found) = (self.path.to_owned(), key.to_owned(), value.type_str());
        self.problems.push(Problem::WrongType { path, line, key, expected, found });
    }

    /// Line and column of a byte, both from one.
    fn position(&self, byte: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        (line, column)
    }
}

fn text(value: &DeValue<'_>) -> Option<Value> {
    value.as_str().map(|text| Value::Text(text.to_owned()))
}

fn integer(value: &DeValue<'_>) -> Option<Value> {
    let integer = value.as_integer()?;
    // Digits of another base are turned into the number they mean; too many stay as written.
    let text = match i128::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) => number.to_string(),
        Err(_) => integer.as_str().to_owned(),
    };
    Some(Value::Text(text))
}

fn switch(value: &DeValue<'_>) -> Option<Value> {
    value.as_bool().map(|on| Value::Text(on.to_string()))
}

fn list(value: &DeValue<'_>, item: impl Fn(&DeValue<'_>) -> Option<Value>) -> Option<Value> {
    let mut texts = Vec::new();
    for value in value.as_array()?.iter() {
        match item(value.get_ref())? {
            Value::Text(text) => texts.push(text),
            Value::List(_) => return None,
        }
    }
    Some(Value::List(texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Raw, Vec<String>) {
        let mut problems = Vec::new();
        let raw = read(Path::new("/f/lambdabox.toml"), text, Scope::Function, &mut problems);
        let said = problems
            .iter()
            .map(|p| match p.hint() {
                Some(hint) => format!("{p} | {hint}"),
                None => p.to_string(),
            })
            .collect();
        (raw, said)
    }

    #[test]
    fn each_kind_of_value_is_read() {
        let (raw, problems) = read_text(
            "handler = 'app.go'\nmemory_size = 1_024\ntimeout = '9'\ndev_shm = true\n\
             layers = ['a', 'b.zip']\nenv_file = 'dev.env'\nforwards = [8000, '1:2']\n\
             [env]\nSTAGE = 'dev'\nPORT = 8080\nDEBUG = true\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(raw.text(Setting::MemorySize).unwrap().0, "1024");
        assert_eq!(raw.text(Setting::Timeout).unwrap().0, "9");
        assert_eq!(raw.text(Setting::DevShm).unwrap().0, "true");
        assert_eq!(raw.list(Setting::Layers).unwrap().0, ["a", "b.zip"]);
        assert_eq!(raw.list(Setting::EnvFile).unwrap().0, ["dev.env"]);
        assert_eq!(raw.list(Setting::Forwards).unwrap().0, ["8000", "1:2"]);
        let env: Vec<_> = raw.env.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
        assert_eq!(env, [("STAGE", "dev"), ("PORT", "8080"), ("DEBUG", "true")]);
        assert_eq!(raw.env[1].origin.to_string(), "/f/lambdabox.toml:10");
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let (_, problems) = read_text(
            "memory-size = 512\nhandler = 5\nrepeat = 3\nzebra = 1\n[env]\nA1 = []\n[network]\nx=1\n",
        );
        assert_eq!(
            problems[0],
            "/f/lambdabox.toml:1: unknown key `memory-size` | did you mean `memory_size`?"
        );
        assert_eq!(problems[1], "/f/lambdabox.toml:2: `handler` must be a string, but is integer");
        assert_eq!(
            problems[2],
            "/f/lambdabox.toml:3: `repeat` is for one call and can only be a flag"
        );
        assert!(problems[3].starts_with(
            "/f/lambdabox.toml:4: unknown key `zebra` | known keys are handler, runtime, memory_size"
        ));
        assert_eq!(problems[4], "/f/lambdabox.toml:6: `env.A1` must be a string, but is array");
        assert_eq!(problems[5], "/f/lambdabox.toml:7: `network` must be a string, but is table");
        assert_eq!(problems.len(), 6);
    }

    #[test]
    fn a_syntax_error_names_line_and_column() {
        let (_, problems) = read_text("handler = 'a'\ntimeout = = 3\n");
        assert!(problems[0].starts_with("/f/lambdabox.toml:2:"), "{problems:?}");
    }

    #[test]
    fn the_nearest_file_wins_and_a_directory_in_its_place_is_a_problem() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b/c");
        fs::create_dir_all(&inner).unwrap();
        fs::write(root.path().join(NAME), "timeout = 1").unwrap();
        fs::write(root.path().join("a").join(NAME), "timeout = 2").unwrap();
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        let caller = Caller::of_process().unwrap();
        let found = find(&inner, &caller, &mut problems, &mut notices).unwrap();
        assert_eq!(found.path, root.path().join("a").join(NAME));
        assert_eq!(found.raw.text(Setting::Timeout).unwrap().0, "2");
        fs::create_dir(inner.join(NAME)).unwrap();
        assert!(find(&inner, &caller, &mut problems, &mut notices).is_none());
        assert!(problems[0].to_string().starts_with("cannot read "));
        assert!(notices.is_empty(), "{notices:?}");
    }

    #[test]
    fn another_users_file_further_up_is_passed_by_and_said() {
        const SOMEBODY: u32 = 1_880_000_001;
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(root.path().join(NAME), "timeout = 1").unwrap();
        let planted = root.path().join("a").join(NAME);
        fs::write(&planted, "network = 'host'").unwrap();
        if std::os::unix::fs::chown(&planted, Some(SOMEBODY), None).is_err() {
            println!("SKIP another_users_file_…: only root can give a file away");
            return;
        }
        let (mut problems, mut notices) = (Vec::new(), Vec::new());
        let caller = Caller::of_process().unwrap();
        let mut look = |directory: &Path| find(directory, &caller, &mut problems, &mut notices);
        assert_eq!(look(&inner).unwrap().path, root.path().join(NAME));
        assert_eq!(look(&root.path().join("a")).unwrap().path, planted, "beside the function");
        std::os::unix::fs::chown(&inner, Some(SOMEBODY), None).unwrap();
        assert_eq!(look(&inner).unwrap().path, planted, "who owns the function says how it runs");
        assert!(problems.is_empty() && notices.len() == 1, "{problems:?} {notices:?}");
        assert!(notices[0].text.contains("is not used: it is uid 1880000001's"), "{notices:?}");
    }

    #[test]
    fn a_file_does_not_say_where_lambdaboxs_own_files_are() {
        let (_, problems) = read_text("data_dir = '/'\n");
        assert_eq!(
            problems,
            ["/f/lambdabox.toml:1: `data_dir` is the machine's and cannot come with a function | \
              set LAMBDABOX_DATA_DIR or --data-dir"]
        );
    }
}
