//! AWS's SDK for Rust, unmodified, in a program that knows a host by `AWS_ENDPOINT_URL_LAMBDA`
//! alone.

use crate::harness::{Host, default_minor, rust_client, zip_bytes};

const ECHO: &str = "
def handler(event, context):
    if event == 'fail':
        raise ValueError('as asked')
    print('heard', event)
    return event
";

#[test]
fn its_waiters_paginators_streams_and_typed_errors_are_those_of_aws() {
    let program = match rust_client() {
        Ok(program) => program,
        Err(why) => skip!("AWS's SDK for Rust cannot be built: {why}"),
    };
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let two = ECHO.replace("return event", "return 'two'");
    let packages =
        [("one.zip", "app.py", ECHO), ("two.zip", "app.py", &two), ("layer.zip", "word", "x")];
    let [one, two, layer] = packages.map(|(name, member, source)| {
        let path = data.path().join(name);
        std::fs::write(&path, zip_bytes(&[(member, source.as_bytes(), 0o644)])).unwrap();
        path.display().to_string()
    });
    let runtime = format!("python3.{}", default_minor());
    let said = host.program(&program, &[&one, &two, &layer, &runtime]);
    assert_eq!(said, "everything is as it is on AWS\n");
    // What was accepted as an event was run, too.
    host.wait_for_log("heard later");
}
