//! Handlers as text, and the files their modules are.
//!
//! # Sources
//! Each language's `runtime.toml`: how a handler falls into module and function.

use std::path::{Path, PathBuf};

use lambdabox_runtimes::{HandlerForm, Language};

/// `a/b` of `a/b.handler`, and what follows the dot; nothing if either is empty.
pub(super) fn split_handler<'a>(
    handler: &'a str,
    language: &Language,
) -> Option<(&'a str, &'a str)> {
    if language.handler_form == HandlerForm::Assembly {
        let (assembly, method) = handler.split_once("::").unwrap_or((handler, "Main"));
        let assembly = assembly.strip_suffix(".dll").unwrap_or(assembly);
        return (!assembly.is_empty() && !method.is_empty()).then_some((assembly, method));
    }
    if language.handler_form == HandlerForm::Class {
        let (class, method) = handler.rsplit_once("::").unwrap_or((handler, "handleRequest"));
        return (!class.is_empty() && !method.is_empty()).then_some((class, method));
    }
    let dot = match language.handler_form {
        HandlerForm::LastDot | HandlerForm::Class | HandlerForm::Assembly => handler.rfind('.')?,
        HandlerForm::FirstDot => {
            let base = handler.rfind('/').map_or(0, |slash| slash + 1);
            base + handler[base..].find('.')?
        }
    };
    let (module, function) = (&handler[..dot], &handler[dot + 1..]);
    (!module.is_empty() && !function.is_empty()).then_some((module, function))
}

/// Where a module is looked for, without its ending: `a/b` for Python's `a.b`.
pub(super) fn module_path(module: &str, language: &Language) -> String {
    let path = match language.handler_form {
        HandlerForm::LastDot | HandlerForm::Class => module.replace('.', "/"),
        HandlerForm::FirstDot | HandlerForm::Assembly => module.to_owned(),
    };
    path.trim_start_matches('/').to_owned()
}

/// The file of a module: `a/b.py` or `a/b/__init__.py` for `a/b`.
pub(super) fn module_file(root: &Path, module: &str, language: &Language) -> Option<PathBuf> {
    let path = module_path(module, language);
    let package = language.package_file.as_deref();
    let candidates = language.extensions.iter().flat_map(|extension| {
        let file = root.join(format!("{path}.{extension}"));
        let inside = package.map(|name| root.join(&path).join(format!("{name}.{extension}")));
        [Some(file), inside]
    });
    let mut candidates = candidates.flatten().filter(|file| file.starts_with(root));
    candidates.find(|file| file.is_file())
}
