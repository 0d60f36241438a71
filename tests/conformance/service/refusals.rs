//! What AWS refuses, and in which words.

use super::on_a_host;

#[test]
fn settings_outside_of_the_models_rules_are_reported_together() {
    on_a_host(
        r#"
from botocore.config import Config
c = client(parameter_validation=False)
def said(message, **more):
    refused(create, "ValidationException", message, 400, c=c, name="f", wait=False, **more)
one = "1 validation error detected: "
fails = "failed to satisfy constraint: "
said(one + f"Value 'r' at 'role' {fails}Member must satisfy regular expression pattern: "
     r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+", Role="r")
said(one + f"Value '901' at 'timeout' {fails}Member must have value less than or equal to 900", Timeout=901)
said(one + f"Value '0' at 'timeout' {fails}Member must have value greater than or equal to 1", Timeout=0)
said(one + f"Value '127' at 'memorySize' {fails}Member must have value greater than or equal to 128", MemorySize=127)
said(one + f"Value '10241' at 'memorySize' {fails}Member must have value less than or equal to 10240", MemorySize=10241)
said(one + f"Value '511' at 'ephemeralStorage.size' {fails}Member must have value greater than or equal to 512",
     EphemeralStorage={"Size": 511})
said(one + f"Value '[x86_64, arm64]' at 'architectures' {fails}Member must have length less than or equal to 1",
     Architectures=["x86_64", "arm64"])
said(one + f"Value '[vax]' at 'architectures' {fails}Member must satisfy constraint: [Member must satisfy enum "
     "value set: [x86_64, arm64], Member must not be null]", Architectures=["vax"])
said(one + f"Value 'a b' at 'handler' {fails}Member must satisfy regular expression pattern: [^\\s]+", Handler="a b")
said(one + f"Value 'Tar' at 'packageType' {fails}Member must satisfy enum value set: [Image, Zip]", PackageType="Tar")
said(one + f"Value '{{A-B=1}}' at 'environment.variables' {fails}Map keys must satisfy constraint: [Member must "
     "satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]", Environment={"Variables": {"A-B": "1"}})
said(one + f"Value null at 'ephemeralStorage.size' {fails}Member must not be null", EphemeralStorage={})
many = [f"subnet-{n}" for n in range(17)]
said(one + f"Value '[{', '.join(many)}]' at 'vpcConfig.subnetIds' {fails}Member must have length less than or equal to "
     "16", VpcConfig={"SubnetIds": many})
said(f"2 validation errors detected: Value 'b.' at 'code.s3Bucket' {fails}Member must have length greater than or equal to "
     f"3; Value 'b.' at 'code.s3Bucket' {fails}Member must satisfy regular expression pattern: "
     r"[0-9A-Za-z\.\-_]*(?<!\.)",
     Code={"S3Bucket": "b.", "S3Key": "k"})
said(one + f"Value 'MOVE' at 'code.s3ObjectStorageMode' {fails}Member must satisfy enum value set: [COPY, REFERENCE]",
     Code={"S3Bucket": "bucket", "S3Key": "k", "S3ObjectStorageMode": "MOVE"})
pattern = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
said(one + f"Value '{{a=x, b!=y}}' at 'tags' {fails}Map keys must satisfy constraint: [Member must have length less "
     "than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular "
     f"expression pattern: {pattern}]", Tags={"a": "x", "b!": "y"})
said(one + f"Value '{{a={'x' * 257}}}' at 'tags' {fails}Map value must satisfy constraint: [Member must have length less "
     "than or equal to 256, Member must have length greater than or equal to 0, Member must satisfy regular "
     f"expression pattern: {pattern}]", Tags={"a": "x" * 257})
said(f"2 validation errors detected: Value '901' at 'timeout' {fails}Member must have value less than or equal to "
     f"900; Value '1' at 'memorySize' {fails}Member must have value greater than or equal to 128", Timeout=901, MemorySize=1)
said(one + f"Value null at 'role' {fails}Member must not be null", Role=None)
said(one + f"Value null at 'code' {fails}Member must not be null", Code=None)
refused(c.update_function_configuration, "ValidationException", FunctionName="f", Timeout=901)
refused(c.list_functions, "ValidationException", one + f"Value 'here' at 'masterRegion' {fails}Member must satisfy "
        r"regular expression pattern: ALL|(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}",
        MasterRegion="here", FunctionVersion="ALL")
refused(c.get_function, "ValidationException", FunctionName="f", Qualifier="a.b")
refused(c.untag_resource, "ValidationException", Resource=ARN + "f", TagKeys=["a!"])
refused(c.publish_layer_version, "ValidationException", LayerName="l", Content={"ZipFile": b"x"}, CompatibleRuntimes=["perl5"])
refused(c.list_layers, "ValidationException", one + f"Value 'vax' at 'compatibleArchitecture' {fails}Member must satisfy "
        "enum value set: [x86_64, arm64]", CompatibleArchitecture="vax")
refused(c.list_layers, "ValidationException", CompatibleRuntime="perl5")
refused(c.list_functions, "ValidationException",
        one + f"Value '0' at 'maxItems' {fails}Member must have value greater than or equal to 1", MaxItems=0)
assert c.list_functions()["Functions"] == []
"#,
    );
}

#[test]
fn other_mistakes_are_told_one_by_one() {
    on_a_host(
        r#"
c = client(parameter_validation=False)
def said(message, **more):
    refused(create, "InvalidParameterValueException", message, 400, **{"c": c, "name": "f", "wait": False, **more})
name = "x" * 65
said(f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must "
     "have length less than or equal to 64", name=name)
said(f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must "
     "have length less than or equal to 64", name="function:" + name)
said('LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the '
     'LogFormat to "JSON" and try again.', LoggingConfig={"LogFormat": "Text", "ApplicationLogLevel": "ERROR"})
said("Could not unzip uploaded file. Please check your file, then try to upload again.", Code={"ZipFile": b"no zip"})
said("Please provide a source for function code.", Code={})
said("Runtime and Handler are mandatory parameters for functions created with deployment packages.", Handler=None)
said("The runtime parameter of python3.8 is no longer supported for creating or updating AWS Lambda functions. We "
     "recommend you use a supported runtime while creating or updating functions.", Runtime="python3.8")
error = refused(create, "InvalidParameterValueException", c=c, name="f", wait=False, Runtime="perl5")
assert "Value perl5 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [" in str(error)
assert str(error).endswith("] or be a valid ARN")
text = "x" * 4096
said("Lambda was unable to configure your environment variables because the environment variables you have provided "
     'exceeded the 4KB limit. String measured: {"AA":"' + text + '"}', Environment={"Variables": {"AA": text}})
error = refused(create, "InvalidParameterValueException", c=c, name="f", wait=False,
                Environment={"Variables": {"AWS_REGION": "x"}})
assert str(error).endswith("Reserved keys used in this request: AWS_REGION")
said("lambdabox does not publish versions yet.", Publish=True)
said("python3.11 is not supported for SnapStart enabled functions.", Runtime="python3.11", SnapStart={"ApplyOn": "PublishedVersions"})
error = refused(create, "InvalidParameterValueException", c=c, name="f", wait=False,
                Code={"S3Bucket": "bucket", "S3Key": "k", "S3ObjectStorageMode": "REFERENCE"})
assert "does not have S3ObjectStorageMode REFERENCE yet" in str(error)
refused(create, "InvalidParameterValueException", c=c, name="f", wait=False, Code={"S3Bucket": "bucket", "S3Key": "key"})
refused(create, "InvalidParameterValueException", c=c, name="f", wait=False, PackageType="Image", Code={"ImageUri": "x"})
large = io.BytesIO()
with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as archive:
    for part in range(3):
        archive.writestr(f"zeros{part}", bytes(90_000_000))
said("Unzipped size must be smaller than 262144000 bytes", Code={"ZipFile": large.getvalue()})
create(c, "f")
error = refused(create, "ResourceConflictException", "Function already exist: f", 409, c=c, name="f")
refused(c.delete_function, "InvalidParameterValueException",
        "$LATEST version cannot be deleted without deleting the function.", FunctionName="f", Qualifier="$LATEST")
refused(c.delete_function, "InvalidParameterValueException", "Deletion of aliases is not currently supported.",
        FunctionName="f", Qualifier="live")
assert c.delete_function(FunctionName="f", Qualifier="7")["ResponseMetadata"]["HTTPStatusCode"] == 204
refused(c.update_function_code, "InvalidParameterValueException",
        "Please don't provide ImageUri when updating a function with packageType Zip.", FunctionName="f", ImageUri="x")
refused(c.invoke, "AccessDeniedException", status=403, FunctionName="1" * 12 + ":function:f")
refused(c.update_function_code, "InvalidParameterValueException", "lambdabox does not have PublishTo yet.",
        FunctionName="f", ZipFile=zipped("x"), PublishTo="LATEST_PUBLISHED")
assert c.list_functions(MasterRegion="us-east-1", FunctionVersion="ALL")["Functions"] == []
assert [f["FunctionName"] for f in c.list_functions()["Functions"]] == ["f"]
"#,
    );
}
