//! Tags of functions.

use super::on_a_host;

#[test]
fn tags_are_added_listed_and_taken_away_and_change_the_revision() {
    on_a_host(
        r#"
create(c, "f", Tags={"team": "x"})
arn = ARN + "f"
def revision():
    return c.get_function_configuration(FunctionName="f")["RevisionId"]
first = revision()
c.tag_resource(Resource=arn, Tags={"stage": "dev", "team": "y", "a b": ""})
assert c.list_tags(Resource=arn)["Tags"] == {"stage": "dev", "team": "y", "a b": ""}
assert c.get_function(FunctionName="f")["Tags"]["team"] == "y"
second = revision()
c.untag_resource(Resource=arn, TagKeys=["stage", "a b", "absent"])
assert c.list_tags(Resource=arn)["Tags"] == {"team": "y"}
assert len({first, second, revision()}) == 3
assert answer(c.invoke(FunctionName="f", Payload=b"1")) == 1

refused(c.list_tags, "ResourceNotFoundException", f"Function not found: {ARN}g", 404, Resource=ARN + "g")
refused(c.tag_resource, "InvalidParameterValueException",
        "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        Resource=arn + ":$LATEST", Tags={"a": "b"})
refused(c.tag_resource, "InvalidParameterValueException",
        "An error occurred and the request cannot be processed.", Resource=arn, Tags={})
refused(c.tag_resource, "InvalidParameterValueException", "Number of tags exceeds resource tag limit.",
        Resource=arn, Tags={f"k{number}": "" for number in range(50)})
error = refused(c.list_tags, "ValidationException", Resource="arn:aws:s3:::bucket")
assert "Value 'arn:aws:s3:::bucket' at 'resource' failed to satisfy constraint" in str(error)
assert c.list_tags(Resource=arn)["Tags"] == {"team": "y"}
"#,
    );
}
