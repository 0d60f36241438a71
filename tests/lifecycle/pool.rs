//! Many invocations of many functions in one host, as AWS's own client sees it.

use serde_json::{Value, json};

use crate::harness::{Serving, boto3_is_there};

fn host(arguments: &[&str]) -> Result<(tempfile::TempDir, Serving), String> {
    boto3_is_there()?;
    let data = tempfile::Builder::new().prefix("e2e-serve-").tempdir().unwrap();
    let serving = Serving::start(data.path(), arguments);
    Ok((data, serving))
}

/// Answers its event, who it is and how often it was called.
const WHO: &str = "
source = '''
import os, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    open('/tmp/mark', 'a').write('x')
    found = {'nonce': event.get('nonce'), 'calls': calls, 'marks': len(open('/tmp/mark').read()),
             'stream': os.environ['AWS_LAMBDA_LOG_STREAM_NAME']}
    time.sleep(event.get('sleep', 0))
    if event.get('fill'): x = b'x' * (400 << 20)
    return found
'''
";

#[test]
fn eight_callers_at_once_get_eight_environments_and_one_answer_each() {
    let (_data, serving) = match host(&[]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    let answers = serving.boto3(&format!(
        "{WHO}
deploy('who', source, Timeout=10 * TIMEOUT)
with ThreadPoolExecutor(8) as callers:
    answers = list(callers.map(lambda n: call('who', {{'nonce': n, 'sleep': 3}}), range(8)))
json.dump(answers, sys.stdout)"
    ));
    let answers = answers.as_array().unwrap();
    let nonces: Vec<&Value> = answers.iter().map(|answer| &answer["nonce"]).collect();
    assert_eq!(nonces, (0..8).map(Value::from).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    let mut streams: Vec<&str> = answers.iter().map(|a| a["stream"].as_str().unwrap()).collect();
    streams.sort_unstable();
    streams.dedup();
    assert_eq!(streams.len(), 8, "{answers:?}");
    assert!(answers.iter().all(|a| a["calls"] == 1 && a["marks"] == 1), "{answers:?}");
    let pool = serving.pool();
    assert_eq!(pool["functions"][0]["function"], "who");
    assert_eq!(pool["memory_promised_mb"], 8 * (128 + 8), "{pool}");
    serving.end().expect_code(0);
}

#[test]
fn calls_in_a_row_reuse_one_environment_and_a_new_revision_gets_another() {
    let (_data, serving) = match host(&[]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    let answers = serving.boto3(&format!(
        "{WHO}
deploy('who', source)
answers = [call('who', {{}}) for _ in range(10)]
client.update_function_code(FunctionName='who', ZipFile=package(source + '# new'))
client.get_waiter('function_updated_v2').wait(FunctionName='who')
answers.append(call('who', {{}}))
json.dump(answers, sys.stdout)"
    ));
    let answers = answers.as_array().unwrap();
    let calls: Vec<u64> = answers.iter().map(|a| a["calls"].as_u64().unwrap()).collect();
    assert_eq!(calls, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1]);
    assert_ne!(answers[9]["stream"], answers[10]["stream"]);
    serving.wait_for_pool(|pool| pool["functions"].as_array().unwrap().len() == 1);
    serving.end().expect_code(0);
}

#[test]
fn after_a_timeout_the_environment_is_reset_and_keeps_tmp_and_log_stream() {
    let (_data, serving) = match host(&[]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    let answers = serving.boto3(&format!(
        "{WHO}
deploy('who', source, Timeout=SHORT)
json.dump([call('who', event) for event in ({{}}, {{'sleep': 600}}, {{}})], sys.stdout)"
    ));
    assert_eq!(answers[1]["errorType"], "Sandbox.Timedout", "{answers}");
    assert_eq!((&answers[2]["calls"], &answers[2]["marks"]), (&json!(1), &json!(3)));
    assert_eq!(answers[0]["stream"], answers[2]["stream"]);
    let log = serving.end().expect_code(0).stderr;
    assert_eq!(log.matches("Init Duration: ").count(), 1, "{log}");
    assert_eq!(log.matches("REPORT RequestId: ").count(), 3, "{log}");
}

#[test]
fn a_neighbour_that_runs_out_of_memory_disturbs_nobody() {
    let (_data, serving) = match host(&[]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    let answers = serving.boto3(&format!(
        "{WHO}
deploy('fills', source)
deploy('calm', source)
with ThreadPoolExecutor(4) as callers:
    filling = [callers.submit(call, 'fills', {{'fill': True}}) for _ in range(3)]
    calm = [call('calm', {{'nonce': n}}) for n in range(30)]
    json.dump([[one.result() for one in filling], calm], sys.stdout)"
    ));
    for answer in answers[0].as_array().unwrap() {
        assert_eq!(answer["errorType"], "Runtime.OutOfMemory", "{answers}");
    }
    for (n, answer) in answers[1].as_array().unwrap().iter().enumerate() {
        assert_eq!((&answer["nonce"], &answer["calls"]), (&json!(n), &json!(n + 1)), "{answers}");
    }
    serving.end().expect_code(0);
}

#[test]
fn what_the_budget_cannot_hold_is_refused_with_awss_429() {
    let (_data, serving) = match host(&["--memory-budget", "300"]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    let refused = serving.boto3(&format!(
        "{WHO}
deploy('large', source, MemorySize=512)
deploy('reserved', source)
client.put_function_concurrency(FunctionName='reserved', ReservedConcurrentExecutions=0)
refused = []
for name in ('large', 'reserved'):
    try:
        call(name, {{}})
    except Exception as error:
        refused.append([error.response['ResponseMetadata']['HTTPStatusCode'],
            error.response['Error']['Code'], error.response.get('Reason')])
json.dump(refused, sys.stdout)"
    ));
    assert_eq!(refused[0][0], 429, "{refused}");
    assert_eq!(refused[0][1], "TooManyRequestsException", "{refused}");
    assert_eq!(refused[1][2], "ReservedFunctionConcurrentInvocationLimitExceeded", "{refused}");
    serving.end().expect_code(0);
}

#[test]
fn who_finds_all_memory_busy_waits_is_refused_and_is_served_once_there_is_some() {
    // Room for two.
    let (_data, serving) = match host(&["--memory-budget", "300"]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    let answers = serving.boto3(&format!(
        "{WHO}
for name in ('a', 'b', 'c'):
    deploy(name, source, Timeout=900)
def pool():
    import urllib.request
    return json.load(urllib.request.urlopen('http://127.0.0.1:{admin}/pool'))
def refused(name):
    try:
        return call(name, {{}})
    except Exception as error:
        return [error.response['ResponseMetadata']['HTTPStatusCode'], error.response.get('Reason')]
with ThreadPoolExecutor(3) as callers:
    # Longer than anybody waits, so that the third is refused while both are busy.
    busy = [callers.submit(call, name, {{'nonce': name, 'sleep': 40}}) for name in ('a', 'b')]
    while pool()['environments']['busy'] < 2:
        time.sleep(0.05)
    begun = time.monotonic()
    full = refused('c')
    waited = time.monotonic() - begun
    busy = [one.result()['nonce'] for one in busy]
# Now one of the idle two goes for it.
later = call('c', {{'nonce': 'later'}})['nonce']
json.dump([full, waited, busy, later], sys.stdout)",
        admin = serving.admin
    ));
    assert_eq!(answers[0], json!([429, "ConcurrentInvocationLimitExceeded"]), "{answers}");
    assert!(answers[1].as_f64().unwrap() >= 9.5, "it waits for 10 s: {answers}");
    assert_eq!((&answers[2], &answers[3]), (&json!(["a", "b"]), &json!("later")));
    let pool = serving.pool();
    assert!(pool["memory_promised_mb"].as_u64().unwrap() <= 300, "{pool}");
    serving.end().expect_code(0);
}

#[test]
fn a_change_of_code_lets_the_old_environment_finish_and_starts_a_fresh_one() {
    let (_data, serving) = match host(&[]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    let answers = serving.boto3(&format!(
        "{WHO}
deploy('who', source, Timeout=900)
call('who', {{}})
with ThreadPoolExecutor(1) as callers:
    old = callers.submit(call, 'who', {{'nonce': 'old', 'sleep': 8}})
    client.update_function_code(FunctionName='who',
        ZipFile=package(source.replace(\"'nonce': event\", \"'new': True, 'nonce': event\")))
    client.get_waiter('function_updated_v2').wait(FunctionName='who')
    new = call('who', {{'nonce': 'new'}})
    json.dump([old.done(), old.result(), new], sys.stdout)"
    ));
    let (old, new) = (&answers[1], &answers[2]);
    assert_eq!(answers[0], false, "the old one still ran: {answers}");
    assert_eq!(
        (&old["nonce"], &old["calls"], &old["new"]),
        (&json!("old"), &json!(2), &json!(null))
    );
    assert_eq!(
        (&new["nonce"], &new["calls"], &new["new"]),
        (&json!("new"), &json!(1), &json!(true))
    );
    serving.wait_for_pool(|pool| pool["functions"].as_array().unwrap().len() == 1);
    serving.end().expect_code(0);
}

#[test]
fn a_caller_that_hangs_up_does_not_stop_its_invocation() {
    let (_data, serving) = match host(&[]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    let answer = serving.boto3(&format!(
        "{WHO}
deploy('who', source, Timeout=10 * TIMEOUT)
impatient = boto3.client('lambda',
    config=Config(retries={{'max_attempts': 0}}, read_timeout=1))
try:
    impatient.invoke(FunctionName='who', Payload=json.dumps({{'sleep': 3}}))
    hung_up = False
except Exception as error:
    hung_up = type(error).__name__
json.dump(hung_up, sys.stdout)"
    ));
    assert_eq!(answer, "ReadTimeoutError");
    // The log is written by a thread of its own.
    serving.wait_for_log("REPORT RequestId: ");
    serving.wait_for_pool(|pool| pool["environments"]["busy"] == 0);
    let log = serving.log();
    assert_eq!(log.matches("REPORT RequestId: ").count(), 1, "{log}");
    assert!(!log.contains("Status: "), "{log}");
    serving.end().expect_code(0);
}

#[test]
fn an_idle_environment_ends_after_its_time() {
    let (_data, serving) = match host(&["--idle-timeout", "1"]) {
        Ok(host) => host,
        Err(reason) => skip!("{reason}"),
    };
    serving
        .boto3(&format!("{WHO}\ndeploy('who', source)\njson.dump(call('who', {{}}), sys.stdout)"));
    serving.wait_for_pool(|pool| pool["memory_promised_mb"] == 0);
    serving.end().expect_code(0);
}
