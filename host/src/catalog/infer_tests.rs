//! Inference, on packages made for real.

use super::super::layers::open_layers;
use super::super::package::open;
use super::*;

struct Function {
    dir: tempfile::TempDir,
}

impl Function {
    fn of(files: &[(&str, &str)]) -> Self {
        let function = Self { dir: tempfile::TempDir::new().unwrap() };
        for (file, text) in files {
            function.write(&format!("code/{file}"), text);
        }
        function
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    fn executable(self, path: &str) -> Self {
        let file = self.write(path, "#!/bin/sh\n");
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn infer(&self, file: &str, wanted: Wanted<'_>) -> Result<Inference, InferError> {
        let workspace = self.dir.path().join("work");
        let package = open(&self.dir.path().join("code").join(file), &workspace, &[]).unwrap();
        let layer = self.dir.path().join("layer");
        let layers = if layer.is_dir() { vec![layer] } else { Vec::new() };
        let layers = open_layers(&layers, &workspace, &package).unwrap();
        infer(wanted, &package, &layers, Catalogue::embedded())
    }

    fn handler(&self, file: &str) -> String {
        let found = self.infer(file, Wanted::default()).unwrap();
        assert_eq!(found.runtime.language.folder, "python");
        assert_eq!(found.runtime.identifier, None);
        found.handler
    }

    fn refused(&self, file: &str, wanted: Wanted<'_>) -> String {
        self.infer(file, wanted).unwrap_err().to_string()
    }
}

const HANDLER: &str = "def handler(event, context):\n    return event\n";
const LAMBDA_HANDLER: &str = "def lambda_handler(event, context):\n    return event\n";

fn handler(name: &str) -> Wanted<'_> {
    Wanted { handler: Some(name), ..Wanted::default() }
}

fn runtime(name: &str) -> Wanted<'_> {
    Wanted { runtime: Some(name), ..Wanted::default() }
}

#[test]
fn a_python_file_serves_its_lambda_handler_or_handler() {
    let function = Function::of(&[
        ("app.py", HANDLER),
        ("both.py", &format!("{HANDLER}{LAMBDA_HANDLER}")),
        ("made.py", "from mangum import Mangum\nhandler = Mangum(app)\n"),
        ("with-dash.py", HANDLER),
    ]);
    assert_eq!(function.handler("app.py"), "app.handler");
    assert_eq!(function.handler("both.py"), "both.lambda_handler");
    assert_eq!(function.handler("made.py"), "made.handler");
    assert_eq!(function.handler("with-dash.py"), "with-dash.handler");
    let said = function.infer("app.py", Wanted::default()).unwrap().said.join("\n");
    assert!(said.contains("handler app.handler, runtime Python"), "{said}");
    assert!(said.contains("--handler"), "{said}");
}

#[test]
fn a_file_without_a_usual_function_is_refused_with_what_it_has() {
    let function = Function::of(&[
        ("app.py", "def main(e, c): pass\ndef work(e, c): pass\ndef _private(): pass\n"),
        ("empty.py", ""),
        ("my.app.py", HANDLER),
    ]);
    let text = function.refused("app.py", Wanted::default());
    assert!(text.contains("neither lambda_handler nor handler"), "{text}");
    assert!(text.contains("pass --handler app.main or --handler app.work"), "{text}");
    assert!(!text.contains("_private"), "{text}");
    let text = function.refused("empty.py", Wanted::default());
    assert!(text.contains("--handler MODULE.FUNCTION"), "{text}");
    let text = function.refused("my.app.py", Wanted::default());
    assert!(text.contains("rename it"), "{text}");
}

#[test]
fn a_directory_is_tried_in_awss_order() {
    let files = [("main.py", HANDLER), ("app.py", HANDLER), ("lambda_function.py", LAMBDA_HANDLER)];
    assert_eq!(Function::of(&files).handler(""), "lambda_function.lambda_handler");
    assert_eq!(Function::of(&files[..2]).handler(""), "app.handler");
    assert_eq!(Function::of(&files[..1]).handler(""), "main.handler");
    let package = [("app/__init__.py", HANDLER)];
    assert_eq!(Function::of(&package).handler(""), "app.handler");
    // The file is there, its function is not: the next one is taken.
    let files = [("lambda_function.py", "x = 1\n"), ("app.py", LAMBDA_HANDLER)];
    assert_eq!(Function::of(&files).handler(""), "app.lambda_handler");
}

#[test]
fn a_directory_without_a_usual_file_is_refused_with_what_it_has() {
    let function = Function::of(&[("service.py", HANDLER), ("README.md", "")]);
    let text = function.refused("", Wanted::default());
    assert!(text.contains("lambda_function.py, app.py, main.py"), "{text}");
    assert!(text.contains("there is no index.js"), "{text}");
    assert!(text.contains("pass --handler service.handler"), "{text}");
    let text = Function::of(&[("README.md", "")]).refused("", runtime("python3.11"));
    assert!(text.contains("--handler MODULE.FUNCTION"), "{text}");
}

#[test]
fn a_given_handler_is_taken_and_only_doubted_aloud() {
    let function = Function::of(&[("src/app.py", HANDLER), ("star.py", "from x import *\n")]);
    for name in ["src/app.handler", "src.app.handler"] {
        let found = function.infer("", handler(name)).unwrap();
        assert_eq!((found.handler.as_str(), found.runtime.language.folder), (name, "python"));
        assert!(found.notices.is_empty(), "{:?}", found.notices);
    }
    assert!(function.infer("", handler("star.any")).unwrap().notices.is_empty());
    let found = function.infer("", handler("src/app.other")).unwrap();
    assert!(found.notices[0].contains("has no other to be seen, but src/app.handler"));
    let found = Function::of(&[("app.py", "x = 1\n")]).infer("", handler("app.h")).unwrap();
    assert!(found.notices[0].ends_with("has no h to be seen, nor any other function"));
    let wanted = Wanted { runtime: Some("python3.11"), handler: Some("gone.x"), client: None };
    let found = function.infer("", wanted).unwrap();
    assert_eq!(found.handler, "gone.x");
    assert!(found.notices[0].contains("there is no gone.py"), "{:?}", found.notices);
    let wanted = Wanted { handler: Some("gone"), ..wanted };
    let found = function.infer("", wanted).unwrap();
    assert!(found.notices[0].contains("MODULE.FUNCTION"), "{:?}", found.notices);
}

#[test]
fn a_handler_whose_file_nobody_has_is_said_and_left_to_the_runtime_to_report() {
    let found = Function::of(&[("app.py", HANDLER)]).infer("", handler("gone.handler")).unwrap();
    assert_eq!(
        (found.runtime.language.name.as_str(), found.handler.as_str()),
        ("Python", "gone.handler")
    );
    assert!(found.notices[0].contains("there is no gone.py"), "{:?}", found.notices);
}

#[test]
fn an_executable_bootstrap_means_a_custom_runtime() {
    let function = Function::of(&[("app.py", HANDLER)]).executable("code/bootstrap");
    for file in ["", "bootstrap"] {
        let found = function.infer(file, Wanted::default()).unwrap();
        assert!(found.runtime.is_custom());
        assert_eq!(found.runtime.identifier, Some("provided.al2023"));
        assert_eq!(
            (found.handler.as_str(), found.bootstrap),
            ("bootstrap", Some("/var/task/bootstrap"))
        );
        assert!(found.said[0].contains("provided.al2023"), "{:?}", found.said);
    }
    let found = function.infer("", handler("app.handler")).unwrap();
    assert!(found.runtime.is_custom() && found.handler == "app.handler");
    let found = function.infer("", runtime("python3.11")).unwrap();
    assert_eq!(
        (found.handler.as_str(), found.runtime.identifier),
        ("app.handler", Some("python3.11"))
    );
    assert!(!function.infer("app.py", Wanted::default()).unwrap().runtime.is_custom());
}

#[test]
fn a_bootstrap_in_a_layer_means_a_custom_runtime_too() {
    let function = Function::of(&[("function.sh", "")]).executable("layer/bootstrap");
    let found = function.infer("", handler("function.run")).unwrap();
    assert!(found.runtime.is_custom());
    assert_eq!(found.bootstrap, Some("/opt/bootstrap"));
}

#[test]
fn a_bootstrap_that_is_not_executable_is_refused_with_chmod() {
    let function = Function::of(&[("bootstrap", "#!/bin/sh\n")]);
    for (file, wanted) in
        [("", Wanted::default()), ("bootstrap", Wanted::default()), ("", runtime("provided.al2"))]
    {
        let text = function.refused(file, wanted);
        assert!(text.contains("not executable") && text.contains("chmod +x"), "{text}");
    }
    // Beside a Python handler it is just a file.
    let function = Function::of(&[("bootstrap", "css"), ("app.py", HANDLER)]);
    assert_eq!(function.handler(""), "app.handler");
    let function = Function::of(&[("bootstrap/x.css", ""), ("app.py", HANDLER)]);
    assert_eq!(function.handler(""), "app.handler");
}

#[test]
fn a_custom_runtime_without_a_bootstrap_is_left_to_the_invocation() {
    let found = Function::of(&[("x", "")]).infer("", runtime("provided.al2")).unwrap();
    assert_eq!((found.bootstrap, found.runtime.identifier), (None, Some("provided.al2")));
    assert!(found.notices[0].contains("no bootstrap"), "{:?}", found.notices);
}

#[test]
fn a_source_of_a_compiled_language_is_said_to_need_that() {
    let function = Function::of(&[("app.go", ""), ("site.go", "")]);
    for file in ["", "app.go"] {
        let text = function.refused(file, Wanted::default());
        assert!(text.contains("app.go: Go has to be compiled first"), "{text}");
        assert!(text.contains("--build-cmd") && text.contains("go.mod"), "{text}");
    }
    let text = Function::of(&[("shop.go", "")]).refused("", handler("shop.handler"));
    assert!(text.contains("shop.go: Go has to be compiled first"), "{text}");
    for (file, language) in [("Hello.java", "Java"), ("Hello.cs", "C#"), ("main.rs", "Rust")] {
        let function = Function::of(&[(file, "")]);
        for (path, wanted) in
            [("", Wanted::default()), ("", handler("Hello")), (file, handler("Hello"))]
        {
            let text = function.refused(path, wanted);
            assert!(text.contains(&format!("{file}: {language} has to be compiled")), "{text}");
        }
    }
    // With both said it is the runtime's to report; whoever watches is told why it will.
    let java = Wanted { runtime: Some("java21"), ..handler("Hello") };
    let found = Function::of(&[("Hello.java", "")]).infer("", java).unwrap();
    assert!(
        found.notices[0].contains("Hello.java has to be compiled first"),
        "{:?}",
        found.notices
    );
    let built = Function::of(&[("Hello.java", ""), ("Hello.class", "")]);
    assert!(built.infer("", java).unwrap().notices.is_empty());
    // Its project's file is what --build goes by.
    let project = Function::of(&[("app.go", ""), ("go.mod", "")]);
    for file in ["", "app.go"] {
        let text = project.refused(file, Wanted::default());
        assert!(text.contains("go.mod's project as it is"), "{text}");
    }
    // What a language that runs as it is has comes first.
    let text = Function::of(&[("service.py", HANDLER), ("Hello.java", "")]);
    let text = text.refused("", Wanted::default());
    assert!(text.contains("pass --handler service.handler"), "{text}");
}

#[test]
fn a_handler_that_was_given_is_not_asked_for_again() {
    let text = Function::of(&[("README.md", "")]).refused("", handler("jobs.nightly"));
    assert!(text.contains("jobs.py") && text.contains("say by --runtime"), "{text}");
    assert!(!text.contains("name it with --handler"), "{text}");
}

#[test]
fn a_runtime_that_is_gone_is_said() {
    let function = Function::of(&[("app.go", "")]);
    let text = function.refused("", runtime("go1.x"));
    assert!(text.contains("Go comes in a later release"), "{text}");
}

const EXPORTED: &str = "export const handler = async (event) => event;\n";

fn node_handler(function: &Function, file: &str) -> String {
    let found = function.infer(file, Wanted::default()).unwrap();
    assert_eq!(found.runtime.language.folder, "nodejs");
    found.handler
}

#[test]
fn a_javascript_file_or_package_serves_its_handler() {
    let function = Function::of(&[
        ("index.mjs", EXPORTED),
        ("app.js", "exports.handler = async () => 1;\n"),
        ("bundle.js", "module.exports = __toCommonJS(src_exports);\n"),
        ("other.cjs", "exports.work = async () => 1;\n"),
        ("service.ts", ""),
    ]);
    assert_eq!(node_handler(&function, ""), "index.handler");
    assert_eq!(node_handler(&function, "app.js"), "app.handler");
    assert_eq!(node_handler(&function, "bundle.js"), "bundle.handler");
    let text = function.refused("other.cjs", Wanted::default());
    assert!(text.contains("pass --handler other.work"), "{text}");
    let text = function.refused("service.ts", Wanted::default());
    assert!(text.contains("TypeScript has to become JavaScript first"), "{text}");
    let text =
        Function::of(&[("index.ts", ""), ("package.json", "{}")]).refused("", handler("index.h"));
    assert!(text.contains("TypeScript has to become JavaScript first"), "{text}");
}

#[test]
fn a_package_of_two_languages_goes_by_its_project_file() {
    let both = [("app.py", HANDLER), ("app.js", EXPORTED)];
    let with = |file| Function::of(&[both[0], both[1], (file, "{}")]);
    assert_eq!(node_handler(&with("package.json"), ""), "app.handler");
    assert_eq!(with("requirements.txt").handler(""), "app.handler");
    // AWS's own name for a module counts for more than a usual one.
    let function = Function::of(&[("lambda_function.py", LAMBDA_HANDLER), ("app.js", EXPORTED)]);
    assert_eq!(function.handler(""), "lambda_function.lambda_handler");
}

#[test]
fn a_nested_handler_of_node_is_of_the_module_before_its_first_dot() {
    let function = Function::of(&[("src/index.js", "exports.a = { b: async () => 1 };\n")]);
    let found = function.infer("", handler("src/index.a.b")).unwrap();
    assert_eq!(found.runtime.language.folder, "nodejs");
    assert!(found.notices.is_empty(), "{:?}", found.notices);
    let found = function.infer("", handler("src/index.c.b")).unwrap();
    assert!(found.notices[0].contains("has no c.b to be seen"), "{:?}", found.notices);
}

#[test]
fn a_file_of_no_language_is_refused_with_what_can_be_given() {
    let function = Function::of(&[("run.sh", ""), ("app.py", HANDLER)]);
    let text = function.refused("run.sh", Wanted::default());
    assert!(text.contains("its name tells no runtime"), "{text}");
    let text = function.refused("run.sh", runtime("python3.11"));
    assert!(text.contains("its name tells no runtime"), "{text}");
    let wanted = Wanted { handler: Some("app.handler"), ..runtime("python3.11") };
    assert_eq!(function.infer("run.sh", wanted).unwrap().handler, "app.handler");
}

#[test]
fn an_unknown_runtime_is_refused_with_the_list() {
    let text = Function::of(&[("app.py", HANDLER)]).refused("", runtime("cobol85"));
    assert!(text.contains("no such runtime") && text.contains("python3.12"), "{text}");
}

#[test]
fn awslambdaric_in_the_package_means_awss_own_client() {
    let function = Function::of(&[("app.py", HANDLER), ("awslambdaric/__init__.py", "")]);
    let found = function.infer("", Wanted::default()).unwrap();
    assert_eq!(found.client, Client::Official);
    assert!(found.said.iter().any(|line| line.contains("--runtime-client")), "{:?}", found.said);
    let wanted = Wanted { client: Some(Client::Own), ..Wanted::default() };
    assert_eq!(function.infer("", wanted).unwrap().client, Client::Own);
    let function = Function::of(&[("app.py", HANDLER)]);
    assert_eq!(function.infer("", Wanted::default()).unwrap().client, Client::Own);
}
