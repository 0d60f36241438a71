//! Code in S3: a stand-in for it (moto) holds packages, and the host reads them where it is told to.

use std::process::Command;

use crate::harness::{Host, Server, e2e_venv};

const STORED: &str = r#"
s3 = boto3.client("s3", endpoint_url=os.environ["S3"], region_name="us-east-1",
                  aws_access_key_id="any", aws_secret_access_key="any")
s3.create_bucket(Bucket="code")
s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
def source(word):
    return f"def handler(event, context):\n    return '{word}'\n"
key = "dir/fn one+two.zip"
first = s3.put_object(Bucket="code", Key=key, Body=zipped(source("first")))["VersionId"]
s3.put_object(Bucket="code", Key=key, Body=zipped(source("second")))
def word():
    return answer(c.invoke(FunctionName="f"))

made = create(c, "f", Code={"S3Bucket": "code", "S3Key": key})
assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped(source("second"))).digest()).decode()
assert word() == "second"
c.update_function_code(FunctionName="f", S3Bucket="code", S3Key=key, S3ObjectVersion=first)
updated(c, "f")
assert word() == "first"
layer = c.publish_layer_version(LayerName="l", Content={"S3Bucket": "code", "S3Key": key})
assert layer["Version"] == 1

failed = "Error occurred while GetObject. S3 Error Code: "
refused(create, "InvalidParameterValueException",
        failed + "NoSuchKey. S3 Error Message: The specified key does not exist.", 400,
        c=c, name="g", wait=False, Code={"S3Bucket": "code", "S3Key": "absent.zip"})
refused(create, "InvalidParameterValueException",
        failed + "NoSuchBucket. S3 Error Message: The specified bucket does not exist", 400,
        c=c, name="g", wait=False, Code={"S3Bucket": "absent", "S3Key": key})
s3.put_object(Bucket="code", Key="bad.zip", Body=b"no zip")
refused(c.update_function_code, "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
        FunctionName="f", S3Bucket="code", S3Key="bad.zip")
assert word() == "first"
"#;

#[test]
fn functions_and_layers_are_read_from_s3_where_the_host_is_told_it_is() {
    let program = e2e_venv().join("bin/moto_server");
    if !program.exists() {
        skip!("moto_server is not installed; scripts/test installs it");
    }
    let port = Server::free_port();
    let mut command = Command::new(program);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let moto = Server::process(command, port);
    let url = format!("http://127.0.0.1:{}", moto.port());
    let data = tempfile::tempdir().unwrap();
    let host = Host::start_with(data.path(), &[], &[("AWS_ENDPOINT_URL_S3", &url)]);
    host.python_with(STORED, &[("S3", &url)]);
}

#[test]
fn nobody_is_called_unless_the_host_is_told_where_s3_is_and_who_is_silent_is_named() {
    const REFUSED: &str = r#"
error = refused(create, "InvalidParameterValueException", c=c, name="g", wait=False,
                Code={"S3Bucket": "code", "S3Key": "k"})
assert os.environ["SAID"] in str(error), error
"#;
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &[]);
    let said = "AWS_ENDPOINT_URL_S3 of the host does not say where that is";
    host.python_with(REFUSED, &[("SAID", said)]);
    drop(host.end());
    let url = format!("http://127.0.0.1:{}", Server::free_port());
    let host = Host::start_with(data.path(), &[], &[("AWS_ENDPOINT_URL", &url)]);
    host.python_with(REFUSED, &[("SAID", &format!("get the object from S3 at {url}: "))]);
}
