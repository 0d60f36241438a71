//! A class of Java that is not where the handler says, and where it is instead.

use std::fs::{self, File};
use std::path::Path;

/// Files that are looked at in a package, and names in each of its jars.
const MOST_FILES: usize = 20_000;
/// Classes that are named.
const MOST_OFFERED: usize = 4;

/// What to say if the class of `handler` is in no place that Java looks at.
pub(super) fn missing(task: &Path, called: &Path, handler: &str) -> Option<String> {
    let (class, method) = handler.split_once("::").unwrap_or((handler, ""));
    let wanted = format!("{}.class", class.replace('.', "/"));
    let mut names = Vec::new();
    collect(task, task, &mut names);
    if names.contains(&wanted) {
        return None;
    }
    let simple = wanted.rsplit('/').next().unwrap_or(&wanted).to_owned();
    let is_alike = |name: &&String| name.rsplit('/').next() == Some(simple.as_str());
    let package = called.display();
    let suffix = if method.is_empty() { String::new() } else { format!("::{method}") };
    let alike: Vec<String> = names
        .iter()
        .filter(is_alike)
        .take(MOST_OFFERED)
        .map(|name| format!("--handler {}{suffix}", dotted(name)))
        .collect();
    if !alike.is_empty() {
        let offers = alike.join(" or ");
        return Some(format!("there is no class {class} in {package}; pass {offers}"));
    }
    let others: Vec<String> = names
        .iter()
        .filter(|name| !name.contains('$') && !name.starts_with("META-INF/"))
        .take(MOST_OFFERED)
        .map(|name| dotted(name))
        .collect();
    Some(match others.is_empty() {
        true => format!(
            "there is no class at all in {package}: neither a .class file nor a jar in lib/; sources have \
             to be compiled first, which `lambdabox build` does"
        ),
        false => format!(
            "there is no class {class} in {package}, neither in itself nor in the jars of its lib/; it \
             has {}",
            others.join(", ")
        ),
    })
}

fn dotted(name: &str) -> String {
    name.trim_end_matches(".class").replace('/', ".")
}

/// Names of classes below a directory, and of jars in `lib` of the package, the package's own first.
fn collect(root: &Path, directory: &Path, into: &mut Vec<String>) {
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            if into.len() >= MOST_FILES {
                return;
            }
            match kind {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(_) if path.extension().is_some_and(|e| e == "class") => {
                    let below = path.strip_prefix(root).unwrap_or(&path);
                    into.push(below.to_string_lossy().into_owned());
                }
                _ => {}
            }
        }
    }
    for entry in fs::read_dir(root.join("lib")).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "jar") {
            of_jar(&entry.path(), into);
        }
    }
}

/// A jar that cannot be read is Java's to complain about.
fn of_jar(jar: &Path, into: &mut Vec<String>) {
    let Some(archive) = File::open(jar).ok().and_then(|file| zip::ZipArchive::new(file).ok())
    else {
        return;
    };
    let names = archive.file_names().flatten().filter(|name| name.ends_with(".class"));
    into.extend(names.take(MOST_FILES).map(|name| name.into_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(classes: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for class in classes {
            let path = dir.path().join(class);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn a_class_elsewhere_is_offered_with_the_method() {
        let dir = package(&["com/example/Hello.class", "com/example/Other.class"]);
        let said = |handler| missing(dir.path(), Path::new("fn.jar"), handler);
        assert_eq!(said("com.example.Hello::greet"), None);
        let alike = said("Hello::greet").unwrap();
        assert_eq!(
            alike,
            "there is no class Hello in fn.jar; pass --handler com.example.Hello::greet"
        );
        let other = said("Bye").unwrap();
        assert!(other.contains("it has com.example."), "{other}");
    }

    #[test]
    fn a_package_without_classes_is_told_to_be_built() {
        let dir = package(&["src/Hello.java"]);
        let said = missing(dir.path(), Path::new("fn"), "Hello").unwrap();
        assert!(said.contains("`lambdabox build`"), "{said}");
    }
}
