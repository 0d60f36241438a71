//! Layers: published, found, used, deleted.

use super::on_a_host;

#[test]
fn a_layer_is_published_used_and_kept_by_its_users_after_it_was_deleted() {
    on_a_host(
        r#"
content = {"ZipFile": zipped("WORD = 'layer'\n", "python/word.py")}
one = c.publish_layer_version(LayerName="l", Content=content, Description="d", LicenseInfo="MIT",
    CompatibleRuntimes=["python3.11"], CompatibleArchitectures=["x86_64"])
layer = "arn:aws:lambda:us-east-1:000000000000:layer:l"
assert (one["Version"], one["LayerArn"], one["LayerVersionArn"]) == (1, layer, layer + ":1")
with urllib.request.urlopen(one["Content"]["Location"]) as response:
    assert response.read() == content["ZipFile"]
assert one["Content"]["CodeSize"] == len(content["ZipFile"])
source = "from word import WORD\ndef handler(e, c):\n    return WORD\n"
made = create(c, "f", source, Layers=[layer + ":1"])
assert made["Layers"] == [{"Arn": layer + ":1", "CodeSize": len(content["ZipFile"])}]
assert answer(c.invoke(FunctionName="f")) == "layer"
two = c.publish_layer_version(LayerName=layer, Content={"ZipFile": zipped("WORD = 'two'\n", "python/word.py")})
assert two["Version"] == 2
for same in (c.get_layer_version(LayerName="l", VersionNumber=1), c.get_layer_version_by_arn(Arn=layer + ":1")):
    assert same["LayerVersionArn"] == layer + ":1" and same["LicenseInfo"] == "MIT"
assert [v["Version"] for v in c.list_layer_versions(LayerName="l")["LayerVersions"]] == [2, 1]
assert [v["Version"] for v in c.list_layer_versions(LayerName="l", CompatibleRuntime="python3.11")["LayerVersions"]] == [1]
assert c.list_layer_versions(LayerName="absent")["LayerVersions"] == []
listed = c.list_layers()["Layers"]
assert [(l["LayerName"], l["LatestMatchingVersion"]["Version"]) for l in listed] == [("l", 2)]
assert "Content" not in listed[0]["LatestMatchingVersion"]
c.delete_layer_version(LayerName="l", VersionNumber=1)
c.delete_layer_version(LayerName="l", VersionNumber=1)
refused(c.get_layer_version, "ResourceNotFoundException", "The resource you requested does not exist.", 404,
        LayerName="l", VersionNumber=1)
# Larger than any number there is: not there, and no failure of the service.
for number in 2 ** 63, 10 ** 20:
    refused(c.get_layer_version_by_arn, "ResourceNotFoundException", "The resource you requested does not exist.", 404,
            Arn=f"{layer}:{number}")
assert answer(c.invoke(FunctionName="f")) == "layer"
c.update_function_code(FunctionName="f", ZipFile=zipped(source + "\n"))
updated(c, "f")
assert answer(c.invoke(FunctionName="f")) == "layer"
assert c.publish_layer_version(LayerName="l", Content=content)["Version"] == 3
"#,
    );
}

#[test]
fn layers_are_listed_by_pages() {
    on_a_host(
        r#"
content = {"ZipFile": zipped("x", "x")}
for name in "b", "a", "c":
    for _ in range(2):
        c.publish_layer_version(LayerName=name, Content=content)
pages = c.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 2})
assert [[l["LayerName"] for l in page["Layers"]] for page in pages] == [["a", "b"], ["c"]]
pages = c.get_paginator("list_layer_versions").paginate(LayerName="a", PaginationConfig={"PageSize": 1})
assert [v["Version"] for page in pages for v in page["LayerVersions"]] == [2, 1]
"#,
    );
}

#[test]
fn layers_that_a_function_cannot_have_are_refused() {
    on_a_host(
        r#"
layer = "arn:aws:lambda:us-east-1:000000000000:layer:l"
for _ in range(2):
    c.publish_layer_version(LayerName="l", Content={"ZipFile": zipped("x", "x")})
def layers_refused(arns, code, message):
    refused(create, code, message, c=c, name="f", Layers=arns, wait=False)
wrong = "InvalidParameterValueException"
layers_refused([layer + ":9"], wrong, f"Layer version {layer}:9 does not exist.")
layers_refused([layer + f":{n}" for n in range(6)], wrong, "Cannot reference more than 5 layers.")
layers_refused([layer + ":1", layer + ":2"], wrong,
    "Two different versions of the same layer are not allowed to be referenced in the same function. "
    f"{layer}:1 and {layer}:2 are versions of the same layer.")
layers_refused([layer.replace("us-east-1", "eu-west-1") + ":1"], wrong,
    "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.")
error = refused(create, "ValidationException", c=c, name="f", Layers=[layer], wait=False)
assert f"Value '[{layer}]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [" in str(error)
refused(create, "AccessDeniedException", c=c, name="f", Layers=[layer.replace("0" * 12, "1" * 12) + ":1"], wait=False)
for call, more in ((c.get_layer_version, {"VersionNumber": 1}), (c.delete_layer_version, {"VersionNumber": 1}), (c.list_layer_versions, {})):
    refused(call, "AccessDeniedException", LayerName=layer.replace("0" * 12, "1" * 12), **more)
longest = "l" * 140
made = c.publish_layer_version(LayerName=longest, Content={"ZipFile": zipped("x", "x")})
assert c.list_layer_versions(LayerName=made["LayerArn"])["LayerVersions"][0]["Version"] == 1
refused(c.get_layer_version, wrong, "Layer Version Cannot be less than 1", 400, LayerName="l", VersionNumber=0)
"#,
    );
}
