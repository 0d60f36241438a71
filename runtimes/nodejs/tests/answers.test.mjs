// Answers: promises, callbacks, an empty event loop, streams.

import assert from "node:assert/strict";
import test from "node:test";
import { run, runJs } from "./harness.mjs";

const BOTH = ["nodejs20.x", "nodejs24.x"];

for (const runtime of BOTH) {
  test(`${runtime}: every JSON value comes back`, async () => {
    const events = ["null", "0", '""', '"é 😀"', "[]", '{"a":{"b":[1,2.5,null,true]}}'];
    const { responses } = await runJs("exports.handler = async (event) => event;", { runtime, events });
    assert.deepEqual(responses.map((posted) => posted.body), events);
    assert.equal(responses[0].headers["content-type"], "application/json");
  });

  test(`${runtime}: undefined is null, and what is no JSON is an error`, async () => {
    const { json } = await runJs("exports.handler = async () => {};", { runtime });
    assert.deepEqual(json, [null]);
    const circle = "exports.handler = async () => { const a = {}; a.a = a; return a; };";
    const { errorJson } = await runJs(circle, { runtime });
    assert.equal(errorJson[0].errorMessage, "Unable to stringify response body");
  });

  test(`${runtime}: large events and answers pass, whole or in chunks`, async () => {
    const event = JSON.stringify("x".repeat(1_000_000));
    for (const chunked of [false, true]) {
      const { responses } = await runJs("exports.handler = async (event) => event;", {
        runtime, chunked, events: [event, event],
      });
      assert.deepEqual(responses.map((posted) => posted.body === event), [true, true]);
    }
  });

  test(`${runtime}: a host that closes its connections is connected to again`, async () => {
    const { json } = await runJs("exports.handler = async (event) => event;", {
      runtime, closes: true, events: ["1", "2", "3"],
    });
    assert.deepEqual(json, [1, 2, 3]);
  });

  test(`${runtime}: errors have type, message and trace, and own ones their cause for X-Ray`, async () => {
    const { errorJson, errors } = await runJs(
      "exports.handler = async () => { throw new RangeError('out'); };", { runtime });
    assert.equal(errorJson[0].errorType, "RangeError");
    assert.equal(errorJson[0].errorMessage, "out");
    assert.match(errorJson[0].trace[1], /index\.js:1/);
    const cause = JSON.parse(errors[0].headers["lambda-runtime-function-xray-error-cause"]);
    assert.deepEqual([cause.exceptions[0].type, cause.exceptions[0].message], ["RangeError", "out"]);
    assert.match(cause.paths[0], /index\.js$/);
    const text = await runJs("exports.handler = async () => { throw 'text'; };", { runtime });
    assert.deepEqual(text.errorJson[0], { errorType: "string", errorMessage: "text", trace: [] });
  });

  test(`${runtime}: an event that is no JSON is the invocation's error`, async () => {
    const { errorJson, json } = await runJs("exports.handler = async (e) => e;", {
      runtime, events: ["{", "1"],
    });
    assert.equal(errorJson[0].errorType, "SyntaxError");
    assert.deepEqual(json, [1]);
  });

  test(`${runtime}: context and trace are the invocation's`, async () => {
    const source = "exports.handler = async (e, c) => ({ ...c, left: c.getRemainingTimeInMillis(), trace: process.env._X_AMZN_TRACE_ID });";
    const headers = {
      "Lambda-Runtime-Trace-Id": "Root=1-2-3",
      "Lambda-Runtime-Client-Context": '{"custom":{"a":"é"}}',
      "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i"}',
      "Lambda-Runtime-Aws-Tenant-Id": "tenant",
      "Lambda-Runtime-Invocation-Id": "attempt-1",
    };
    const { json, responses } = await runJs(source, { runtime, events: [{ body: "{}", headers }, "{}"] });
    assert.equal(json[0].awsRequestId, "request-1");
    assert.equal(json[0].memoryLimitInMB, "128");
    assert.equal(json[0].tenantId, "tenant");
    assert.deepEqual(json[0].identity, { cognitoIdentityId: "i" });
    assert.ok(json[0].left > 0 && json[0].left <= 3000);
    assert.deepEqual([json[0].trace, json[1].trace], ["Root=1-2-3", undefined]);
    assert.equal(json[1].tenantId, undefined);
    assert.equal(responses[0].headers["lambda-runtime-invocation-id"], "attempt-1");
    assert.equal(responses[1].headers["lambda-runtime-invocation-id"], undefined);
    assert.equal("done" in json[0] || "callbackWaitsForEmptyEventLoop" in json[0], runtime === "nodejs20.x");
  });

  test(`${runtime}: a streaming handler's response is sent as a stream, its prelude first`, async () => {
    const source = `exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
      stream.write("one ");
      stream.write({ two: 2 });
      stream.end(" three");
    });`;
    const { responses, log } = await runJs(source, { runtime, events: ["{}", "{}"] });
    assert.equal(responses.length, 2, log);
    assert.equal(responses[0].body, '{"statusCode":201}\0\0\0\0\0\0\0\0one {"two":2} three');
    assert.equal(responses[0].headers["content-type"], "application/vnd.awslambda.http-integration-response");
    assert.equal(responses[0].headers["lambda-runtime-function-response-mode"], "streaming");
    assert.equal(responses[0].headers["transfer-encoding"], "chunked");
  });

  test(`${runtime}: a stream that has begun fails in its trailers, one that has not by /error`, async () => {
    const open = `exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      if (event !== "early") { stream.write("x"); stream.write("y".repeat(1e6)); }
      if (event !== "open") throw new RangeError("no");
    });`;
    const events = ['"open"', '"late"', '"early"', '"late"'];
    const { responses, errorJson, requests } = await runJs(open, { runtime, events });
    const failed = responses.map(({ trailers }) => {
      const body = trailers["lambda-runtime-function-error-body"];
      const { errorType, errorMessage, trace } = JSON.parse(Buffer.from(body, "base64"));
      assert.ok(Array.isArray(trace));
      assert.equal(trailers["lambda-runtime-function-error-type"], errorType);
      return `${errorType}: ${errorMessage}`;
    });
    assert.deepEqual(failed, ["Error: Response stream is not finished.", "RangeError: no", "RangeError: no"], requests);
    assert.deepEqual(responses.map(({ body }) => body.length), [1_000_001, 1_000_001, 1_000_001]);
    assert.deepEqual(errorJson.map((error) => error.errorMessage), ["no"]);
  });

  test(`${runtime}: what is written is sent while the handler runs, and its type first`, async () => {
    const source = `const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
      exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        stream.setContentType("text/plain");
        stream.write("one");
        try { stream.setContentType("late"); } catch (error) { await turn(); stream.write(error.name); }
        await turn();
        stream.write("");
        stream.end("end");
      });`;
    const { responses, log } = await runJs(source, { runtime });
    assert.equal(responses[0]?.body, "oneRuntime.InvalidStreamingOperationend", log);
    assert.equal(responses[0].headers["content-type"], "text/plain");
    assert.ok(responses[0].parts.length >= 3, "in one piece");
  });

  test(`${runtime}: a pipeline into the response stream works`, async () => {
    const source = `const { pipeline } = require("node:stream/promises");
      const { Readable } = require("node:stream");
      exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        await pipeline(Readable.from(["a", "b"]), stream);
      });`;
    const { responses, log } = await runJs(source, { runtime });
    assert.equal(responses[0]?.body, "ab", log);
    assert.equal(responses[0].headers["content-type"], "application/octet-stream");
  });

  test(`${runtime}: the awslambda global can be left out`, async () => {
    const source = "exports.handler = async () => typeof globalThis.awslambda;";
    const off = await runJs(source, { runtime, env: { AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA: "1" } });
    const on = await runJs(source, { runtime });
    assert.deepEqual([off.json, on.json], [["undefined"], ["object"]]);
  });
}

test("a callback's answer waits for an empty event loop unless it is told not to", async () => {
  const source = (wait) => `
    exports.handler = (event, context, callback) => {
      context.callbackWaitsForEmptyEventLoop = ${wait};
      setTimeout(() => console.log("later"), 100);
      callback(null, "answer");
    };`;
  const waited = await runJs(source(true), { runtime: "nodejs22.x" });
  assert.deepEqual(waited.json, ["answer"]);
  assert.match(waited.log, /later/);
  const at_once = await runJs(source(false), { runtime: "nodejs22.x" });
  assert.deepEqual(at_once.json, ["answer"]);
  assert.doesNotMatch(at_once.log, /later/);
});

test("a handler that neither answers nor promises answers null once the loop is empty", async () => {
  const source = "exports.handler = () => { setTimeout(() => console.log('ran'), 50); };";
  const { json, log } = await runJs(source, { events: ["{}", "{}"] });
  assert.deepEqual(json, [null, null]);
  assert.equal(log.match(/ran/g).length, 2);
});

test("up to nodejs22.x context.succeed, done and fail answer, once", async () => {
  const source = `exports.handler = (event, context) => {
    context[event](event === "fail" ? new Error("failed") : null, "done");
    context.succeed("second");
  };`;
  const { json, errorJson } = await runJs(source, { events: ['"succeed"', '"done"', '"fail"'] });
  assert.deepEqual(json, [null, "done"]);
  assert.equal(errorJson[0].errorMessage, "failed");
});

test("a thrown error, a callback's error and a rejection are the same to the caller", async () => {
  for (const body of ["throw new TypeError('x')", "callback(new TypeError('x'))", "return Promise.reject(new TypeError('x'))"]) {
    const { errorJson, log } = await runJs(`exports.handler = (event, context, callback) => { ${body}; };`);
    assert.equal(errorJson[0].errorType, "TypeError", body);
    assert.match(log, /\trequest-1\tERROR\tInvoke Error \t\{"errorType":"TypeError","errorMessage":"x","stack":\[/);
  }
});

test("up to nodejs22.x a rejection nobody handles and an error nobody catches end the process, told", async () => {
  const rejected = await runJs("exports.handler = () => { Promise.reject(new Error('lost')); };");
  assert.equal(rejected.errorJson[0].errorType, "Runtime.UnhandledPromiseRejection");
  assert.equal(rejected.errorJson[0].errorMessage, "Error: lost");
  assert.equal(rejected.code, 128);
  const thrown = await runJs("exports.handler = () => { setTimeout(() => { throw new Error('out'); }, 1); };");
  assert.equal(thrown.errorJson[0].errorMessage, "out");
  assert.equal(thrown.code, 129);
  assert.match(thrown.log, /ERROR\tUncaught Exception \t/);
});

test("from nodejs24.x on they end the process as Node.js itself does", async () => {
  const rejected = await runJs("exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 1000)); };", { runtime: "nodejs24.x" });
  assert.deepEqual([rejected.errors.length, rejected.code], [0, 1]);
  assert.match(rejected.stderr, /Error: lost/);
});

test("from nodejs24.x on the invoke store knows the invocation", async () => {
  const source = `exports.handler = async () => {
    const store = globalThis.awslambda.InvokeStore;
    store.set("mine", 1);
    return [store.getRequestId(), store.getXRayTraceId(), store.get("mine"), store.hasContext()];
  };`;
  const headers = { "Lambda-Runtime-Trace-Id": "Root=1" };
  const { json } = await runJs(source, { runtime: "nodejs24.x", events: [{ body: "1", headers }, "2"] });
  assert.deepEqual(json, [["request-1", "Root=1", 1, true], ["request-2", null, 1, true]]);
});

test("a handler of which nothing is left to wait for ends its process", async () => {
  const source = "exports.handler = () => new Promise(() => {});";
  const modern = await runJs(source, { runtime: "nodejs24.x" });
  assert.deepEqual([modern.code, modern.responses.length], [0, 0]);
  const unsettled = { "index.mjs": "await new Promise(() => {}); export const handler = 1;" };
  const classic = await run({ files: unsettled });
  assert.deepEqual([classic.code, classic.requests], [13, []]);
});

test("the loop waits for a ping before it loads anything, if it is told to", async () => {
  const { requests } = await runJs("exports.handler = async () => 1;", { env: { _LAMBDABOX_WAIT: "1" } });
  assert.equal(requests[0], "GET /2018-06-01/ping");
});
