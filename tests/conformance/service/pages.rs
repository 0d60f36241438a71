//! botocore's paginators and waiters, all that there are for what is stored.

use super::on_a_host;

#[test]
fn paginators_bring_everything_once_and_waiters_end() {
    on_a_host(
        r#"
names = [f"f{number}" for number in range(5)]
for name in names:
    create(c, name, wait=False)
for name in names:
    for waiter in "function_exists", "function_active", "function_active_v2", "function_updated", "function_updated_v2":
        c.get_waiter(waiter).wait(FunctionName=name, WaiterConfig={"Delay": 1})
for number in range(3):
    for layer in "a", "b", "c":
        c.publish_layer_version(LayerName=layer, Content={"ZipFile": zipped(str(number), "x")})

def pages(operation, member, size, **more):
    listed = list(c.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **more))
    assert all(len(page[member]) <= size for page in listed), listed
    return len(listed), [item for page in listed for item in page[member]]

count, functions = pages("list_functions", "Functions", 2)
assert (count, [f["FunctionName"] for f in functions]) == (3, names)
assert not any(word in f for f in functions for word in ("State", "LastUpdateStatus")), functions
count, layers = pages("list_layers", "Layers", 2)
assert (count, [l["LayerName"] for l in layers]) == (2, ["a", "b", "c"])
assert all(l["LatestMatchingVersion"]["Version"] == 3 for l in layers)
count, versions = pages("list_layer_versions", "LayerVersions", 2, LayerName="b")
assert (count, [v["Version"] for v in versions]) == (2, [3, 2, 1])
"#,
    );
}
