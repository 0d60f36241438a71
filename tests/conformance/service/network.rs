//! The network of deployed functions: one `nat` for all environments of a host.

use crate::harness::{Host, no_nat};

#[test]
fn environments_at_once_have_a_network_and_an_address_each() {
    if let Some(reason) = no_nat() {
        skip!("{reason}");
    }
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path(), &["--network", "nat"]);
    host.python(
        r#"
source = """
import socket, time
def handler(event, context):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Sends nothing; without a way out there is no route to take.
    out.connect(('192.0.2.1', 9))
    time.sleep(event)
    return out.getsockname()[0]
"""
create(c, "f", source)
found = []
call = lambda: found.append(answer(c.invoke(FunctionName="f", Payload=b"2")))
callers = [threading.Thread(target=call) for _ in range(2)]
for caller in callers: caller.start()
for caller in callers: caller.join()
assert len(set(found)) == 2 and all(not a.startswith("127.") for a in found), found
"#,
    );
    let run = host.end();
    run.expect_code(0);
}
