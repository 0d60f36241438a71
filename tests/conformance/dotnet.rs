//! What only .NET has: serializers, programs of their own, and what AWS's start script refuses.

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use crate::harness::{Function, Invoke, csharp, dotnet_tree, e2e_cache, invoke};

/// What `dotnet publish` leaves beside an assembly.
const RUNTIME_CONFIG: &str = r#"{"runtimeOptions": {"tfm": "netcoreapp3.1", "rollForward": "Major",
"framework": {"name": "Microsoft.NETCore.App", "version": "3.1.0"}}}"#;

/// The `.deps.json` of an assembly, with others in the same package.
fn deps(assembly: &str, others: &[&str]) -> String {
    let files = [assembly]
        .into_iter()
        .chain(others.iter().copied())
        .map(|name| (format!("{name}.dll"), json!({})));
    let files: serde_json::Map<String, serde_json::Value> = files.collect();
    let target = ".NETCoreApp,Version=v3.1";
    let library = format!("{assembly}/1.0.0");
    json!({
        "runtimeTarget": {"name": target, "signature": ""},
        "targets": {target: {&library: {"runtime": files}}},
        "libraries": {&library: {"type": "project", "serviceable": false, "sha512": ""}},
    })
    .to_string()
}

/// A package of one compiled source; `None` where it cannot be made.
fn package(tree: &Path, assembly: &str, file: &str, source: &str, with_core: bool) -> Function {
    let mut function = Function::empty().file(file, source);
    let core = function.path().join("Amazon.Lambda.Core.dll");
    let mut references = Vec::new();
    let mut others = Vec::new();
    if with_core {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/languages");
        csharp(tree, &fixtures.join("dotnet/core/Core.cs"), &core, &[]).unwrap();
        references.push(core.as_path());
        others.push("Amazon.Lambda.Core");
    }
    let target = function.path().join(format!("{assembly}.dll"));
    csharp(tree, &function.path().join(file), &target, &references).unwrap();
    function = function.file(&format!("{assembly}.deps.json"), deps(assembly, &others));
    function.file(&format!("{assembly}.runtimeconfig.json"), RUNTIME_CONFIG)
}

fn on(tree: &Path, function: &Function, handler: &str) -> Invoke {
    let mut path = vec![OsString::from(tree)];
    path.extend(std::env::var_os("PATH"));
    invoke(function)
        .args(["--runtime", "dotnet", "--handler", handler, "--memory-size", "256"])
        .args(["--timeout", "60"])
        .env("PATH", path.join(std::ffi::OsStr::new(":")))
        // Its loop is compiled once per data directory.
        .data(&e2e_cache().join("dotnet-data"))
}

macro_rules! tree {
    () => {
        match dotnet_tree("dotnet") {
            Ok(tree) => tree,
            Err(reason) => skip!("{reason}"),
        }
    };
}

#[test]
fn the_hello_of_the_language_folder_runs_without_any_library_of_awss() {
    let tree = tree!();
    let source = include_str!("../../runtimes/dotnet/hello/Function.cs");
    let function = package(&tree, "Function", "Function.cs", source, false);
    let run = on(&tree, &function, "Function::Hello.Function::Greet").event(r#"{"name":"Ada"}"#);
    assert_eq!(run.run().answered().json(), json!({"message": "Hello, Ada!"}));
}

#[test]
fn a_stream_goes_in_and_out_as_it_is_and_nothing_comes_of_a_task() {
    let tree = tree!();
    let source = "
using System.IO;
using System.Threading.Tasks;
public static class F
{
    public static Stream Back(Stream given) { return given; }
    public static async Task Nothing(Stream given) { await Task.Delay(1); }
}";
    let function = package(&tree, "F", "F.cs", source, false);
    let run = on(&tree, &function, "F::F::Back").event("[1,  2]").run().answered();
    assert_eq!(run.text(), "[1,  2]");
    assert_eq!(on(&tree, &function, "F::F::Nothing").run().answered().text(), "");
}

#[test]
fn a_package_that_knows_awss_interfaces_and_names_no_serializer_is_refused_as_on_aws() {
    let tree = tree!();
    let source = "
using Amazon.Lambda.Core;
public class F
{
    public string One(string given, ILambdaContext context) { return given; }
    public string Two() { return null; }
    public string Two(string given) { return given; }
    public void Three(System.IO.Stream a, string b) { }
}";
    let function = package(&tree, "F", "F.cs", source, true);
    for (method, words) in [
        ("One", "Could not find the LambdaSerializerAttribute on the assembly 'F, "),
        ("Two", "The method 'Two' in type 'F' appears to have a number of overloads."),
        ("Three", "the second parameter is not of type 'Amazon.Lambda.Core.ILambdaContext'."),
    ] {
        let run = on(&tree, &function, &format!("F::F::{method}")).run();
        let run = run.failed_with("LambdaValidationException");
        let message = run.json()["errorMessage"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn the_logger_of_the_context_fills_in_and_keeps_levels() {
    let tree = tree!();
    let source = r#"
using Amazon.Lambda.Core;
public class F
{
    public System.IO.Stream Log(System.IO.Stream given, ILambdaContext context)
    {
        context.Logger.LogInformation("{count} of {what}", 3, "things");
        context.Logger.LogDebug("too low");
        context.Logger.Log("Warning", "as a word");
        LambdaLogger.Log("without a level");
        return given;
    }
}"#;
    let function = package(&tree, "F", "F.cs", source, true);
    let log = on(&tree, &function, "F::F::Log").run().answered().function_log();
    for words in ["\tinfo\t3 of things", "\twarn\tas a word", "\twithout a level"] {
        assert!(log.contains(words), "{log}");
    }
    assert!(!log.contains("too low") && !log.contains("info\twithout"), "{log}");
    let run = on(&tree, &function, "F::F::Log").args(["--log-format", "json"]).run().answered();
    let record = run.stderr.lines().find(|line| line.contains("3 of things")).unwrap();
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    assert_eq!(record["level"], "Information");
    assert_eq!((&record["count"], &record["what"]), (&json!(3), &json!("things")));
}

/// As a program with AWS's `Amazon.Lambda.RuntimeSupport` in it does.
const PROGRAM: &str = r#"
using System;
using System.Net.Http;
public static class Program
{
    public static void Main(string[] arguments)
    {
        var client = new HttpClient();
        var api = "http://" + Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/";
        while (true)
        {
            var next = client.GetAsync(api + "next").GetAwaiter().GetResult();
            var id = string.Join("", next.Headers.GetValues("Lambda-Runtime-Aws-Request-Id"));
            var answer = "\"" + Environment.GetEnvironmentVariable("_HANDLER") + " " + arguments.Length + "\"";
            client.PostAsync(api + id + "/response", new StringContent(answer)).GetAwaiter().GetResult();
        }
    }
}"#;

#[test]
fn an_assembly_with_a_main_of_its_own_is_run_as_it_is() {
    let tree = tree!();
    let function = package(&tree, "App", "Program.cs", PROGRAM, false);
    let run = on(&tree, &function, "App").args(["--repeat", "2"]).run().answered();
    assert_eq!(run.text(), "\"App 0\"\n\"App 0\"\n");
}

#[test]
fn what_awss_start_script_misses_ends_the_function_in_its_words() {
    let tree = tree!();
    let function = Function::empty().file("F.dll", "");
    let run = on(&tree, &function, "F::F::M").run().failed_with("Runtime.ExitError");
    let message = run.json()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.ends_with("Runtime exited with error: exit status 105"), "{message}");
    run.said(&["The /var/task directory is missing the required .deps.json file."]);
}
