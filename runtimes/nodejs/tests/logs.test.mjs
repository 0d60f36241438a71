// Log lines: text and JSON, levels, frames, what is printed past the console.

import assert from "node:assert/strict";
import test from "node:test";
import { runJs } from "./harness.mjs";

const STAMP = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z";
const ALL = `
  console.log("loading");
  exports.handler = async () => {
    for (const level of ["trace", "debug", "info", "warn", "error", "fatal"]) console[level]("at %s", level, { a: 1 });
  };`;

test("text lines have time, request and level, and are frames of that level", async () => {
  for (const [runtime, loading] of [["nodejs20.x", "undefined"], ["nodejs24.x", "-"]]) {
    const { frames } = await runJs(ALL, { runtime });
    assert.match(frames[0].text, new RegExp(`^${STAMP}\\t${loading}\\tINFO\\tloading\\n$`));
    assert.match(frames[1].text, new RegExp(`^${STAMP}\\trequest-1\\tTRACE\\tat trace \\{ a: 1 \\}\\n$`));
    const types = frames.slice(1).map((frame) => frame.type);
    assert.deepEqual(types, [1, 2, 3, 4, 5, 6].map((level) => (0xa55a0003 | (level << 2)) >>> 0));
  }
});

test("JSON lines have members, and errors are taken apart", async () => {
  const source = `exports.handler = async () => {
    console.info({ some: "object" });
    console.warn("text %d", 5);
    console.error("failed", new RangeError("out"));
    console.error(new TypeError("alone"));
  };`;
  const { frames } = await runJs(source, { env: { AWS_LAMBDA_LOG_FORMAT: "JSON" } });
  const lines = frames.map((frame) => JSON.parse(frame.text));
  assert.deepEqual(Object.keys(lines[0]), ["timestamp", "level", "requestId", "message"]);
  assert.deepEqual([lines[0].message, lines[0].requestId], [{ some: "object" }, "request-1"]);
  assert.equal(lines[1].message, "text 5");
  assert.deepEqual([lines[2].errorType, lines[2].errorMessage], ["RangeError", "out"]);
  assert.ok(Array.isArray(lines[2].stackTrace));
  assert.equal(lines[3].message.errorType, "TypeError");
  assert.equal(frames[0].type, (0xa55a0002 | (3 << 2)) >>> 0);
  assert.ok(!frames[0].text.endsWith("\n"));
});

test("levels below the asked one are left out", async () => {
  const { frames } = await runJs(ALL, { env: { AWS_LAMBDA_LOG_LEVEL: "warn" } });
  assert.deepEqual(frames.map((frame) => frame.text.split("\t")[2]), ["WARN", "ERROR", "FATAL"]);
});

test("an invocation's error is one JSON line in that format", async () => {
  const source = "exports.handler = async () => { throw Object.assign(new Error('x'), { code: 'E' }); };";
  const { frames } = await runJs(source, { env: { AWS_LAMBDA_LOG_FORMAT: "JSON" } });
  const line = JSON.parse(frames[0].text);
  assert.deepEqual([line.level, line.message.errorType, line.message.code], ["ERROR", "Error", "E"]);
});

test("what is written to the standard streams keeps its order with the console", async () => {
  const source = `exports.handler = async () => {
    console.log("one");
    process.stdout.write("two\\n");
    process.stderr.write("thr");
    process.stderr.write("ee\\nfour");
    console.log("five");
  };`;
  const { log, stdout, stderr } = await runJs(source);
  assert.deepEqual(log.match(/one|two|three|four|five/g), ["one", "two", "three", "five", "four"]);
  assert.deepEqual([stdout, stderr], ["", ""]);
});

test("an unfinished line is sent before the answer and at the end, a long one in pieces", async () => {
  const unfinished = await runJs("exports.handler = async () => { process.stdout.write('no newline'); };");
  assert.deepEqual(unfinished.frames.map((frame) => frame.text), ["no newline"]);
  const exits = await runJs("exports.handler = async () => { process.stdout.write('last'); process.exit(3); };");
  assert.deepEqual([exits.frames[0].text, exits.code], ["last", 3]);
  const long = await runJs("exports.handler = async () => { process.stdout.write('x'.repeat(600000) + '\\n'); };");
  assert.equal(long.frames.length, 3);
  assert.equal(long.log.length, 600001);
});

test("without a log descriptor a record is one line of standard output", async () => {
  const source = "exports.handler = async () => { console.log('a\\nb'); };";
  const { stdout } = await runJs(source, { framed: false });
  assert.match(stdout, new RegExp(`^${STAMP}\\trequest-1\\tINFO\\ta\\rb\\n$`));
});

test("names between host and loop are gone before the handler's module is loaded", async () => {
  const source = "const seen = Object.keys(process.env).filter((n) => /LAMBDABOX|TELEMETRY/.test(n)); exports.handler = async () => seen;";
  const { json } = await runJs(source, { env: { _LAMBDABOX_NPM_HINT: "x", _LAMBDABOX_WAIT: "1" } });
  assert.deepEqual(json, [[]]);
});
