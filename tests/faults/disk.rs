//! A disk that is full or not writable is told, and nothing is left.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::callers::source;
use super::hello;
use crate::harness::{Caller, Collector, Host, alone, boto3_is_there, invoke, wait_until};

/// A small file system on a directory, gone with it.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(on: &'a Path, kib: u32) -> Option<Self> {
        let options = format!("size={kib}k,mode=0755");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "e2e-small-disk"])
            .arg(on)
            .status()
            .ok()?;
        status.success().then_some(Self(on))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.0).status().expect("umount runs");
        assert!(status.success(), "something still uses {}", self.0.display());
    }
}

#[test]
fn a_full_disk_is_told_without_a_panic() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(data.path(), 256) else {
        skip!("a small file system cannot be mounted here");
    };
    let content = vec![0x78; 1 << 20];
    let code = b"def lambda_handler(event, context):\n    return 1\n";
    let zip = crate::harness::zip_bytes(&[
        ("lambda_function.py", code, 0o644),
        ("large.bin", &content, 0o644),
    ]);
    let package = crate::harness::Function::empty().file("package.zip", zip);
    let run = crate::harness::lambdabox(["invoke"])
        .args([package.at("package.zip")])
        .data(data.path())
        .while_alone()
        .run();
    assert!([2, 3].contains(&run.code()), "{:?}: {}", run.status, run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    run.said(&["no space left"]);
    drop(disk);
}

#[test]
fn a_host_with_a_full_disk_keeps_what_it_has_and_says_so() {
    if let Err(reason) = boto3_is_there() {
        skip!("{reason}");
    }
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(data.path(), 12 << 10) else {
        skip!("a small file system cannot be mounted here");
    };
    let host = Host::start_while_alone(data.path(), &[]);
    host.python(
        "import os
create(c, 'kept')
large = zipped(ECHO, **{'large.bin': os.urandom(11 << 20)})
full = 'no space is left in the data directory'
def too_much(call, **arguments):
    refused(call, 'ServiceException', f'failed to keep it: {full}', 500, **arguments)
for _ in range(3):
    too_much(c.create_function, FunctionName='lost', Runtime=RUNTIME, Role=ROLE,
        Handler='app.handler', Code={'ZipFile': large})
    too_much(c.update_function_code, FunctionName='kept', ZipFile=large)
assert [f['FunctionName'] for f in c.list_functions()['Functions']] == ['kept']
assert answer(c.invoke(FunctionName='kept', Payload=json.dumps({'a': 1}))) == {'a': 1}",
    );
    // What did not come in takes no room.
    let blobs = std::fs::read_dir(data.path().join("blobs")).unwrap().count();
    assert_eq!(blobs, 1, "{}", host.log());
    host.end().expect_code(0);
    drop(disk);
}

const FILLER: &str = "filler";

/// Takes all room of a file system but so much.
fn fill(directory: &Path, but_bytes: usize) {
    let room = nix::sys::statvfs::statvfs(directory).unwrap();
    let free_bytes = usize::try_from(room.blocks_available() * room.fragment_size()).unwrap();
    let content = vec![1; free_bytes.checked_sub(but_bytes).expect("there is more than that")];
    std::fs::write(directory.join(FILLER), content).unwrap();
}

#[test]
fn an_event_that_the_disk_has_no_room_for_is_refused_and_no_accepted_one_is_lost() {
    let _machine = alone();
    let data = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(data.path(), 12 << 10) else {
        skip!("a small file system cannot be mounted here");
    };
    let collector = Collector::start();
    let forward = collector.port.to_string();
    let start = || Host::start_while_alone(data.path(), &["--forward", &forward]);
    let host = start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (accepted, refused) = runtime.block_on(async {
        let mut caller = Caller::connect(host.port).await.unwrap();
        // Slower than they come, so that they wait on the disk.
        caller.create("f", &source(&collector, "time.sleep(1)", 0), &json!({})).await;
        fill(data.path(), 3 << 20);
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        let padding = "x".repeat(900 << 10);
        for number in 0..12 {
            let nonce = format!("full-{number}");
            let event = json!({ "nonce": nonce, "tell": true, "padding": padding });
            let answer = caller.send("f", &event).await.unwrap();
            match answer.status {
                202 => accepted.push(nonce),
                500 => {
                    let said = answer.json().to_string();
                    assert!(said.contains("no space is left in the data directory"), "{said}");
                    refused.push(nonce);
                }
                status => panic!("{status}: {}", answer.json()),
            }
        }
        // What only reads goes on.
        caller.active("f").await;
        (accepted, refused)
    });
    assert!(!accepted.is_empty() && !refused.is_empty(), "{accepted:?} {refused:?}");
    // Killed while it is full, and started again when somebody has made room.
    host.signal(nix::sys::signal::Signal::SIGKILL);
    host.wait();
    std::fs::remove_file(data.path().join(FILLER)).unwrap();
    let host = start();
    let all_run =
        wait_until(std::time::Duration::from_secs(120), || collector.missing(&accepted).is_empty());
    assert!(all_run, "{:?} of {accepted:?}\n{}", collector.missing(&accepted), host.log());
    assert_eq!(collector.missing(&refused), refused, "what was refused was not run");
    eprintln!("{} accepted and run, {} refused", accepted.len(), refused.len());
    host.end().expect_code(0);
    drop(disk);
}

#[test]
fn a_data_directory_that_is_a_file_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let run = invoke(&hello()).data(file.path()).run();
    assert!([2, 3].contains(&run.code()), "{:?}: {}", run.status, run.stderr);
    let path = file.path().to_str().unwrap().to_owned();
    run.said(&[&path]);
}
