// A Runtime API of the tests' own, and the loop run against it in a process of its own.

import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const LOOP = fileURLToPath(new URL("../bootstrap.cjs", import.meta.url));
const FRAME_HEADER_BYTES = 16;

/** Frames of the log descriptor: `{ type, text }`. */
export function frames(bytes) {
  const all = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    const text = bytes.toString("utf8", at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length);
    all.push({ type: bytes.readUInt32BE(at), text });
    at += FRAME_HEADER_BYTES + length;
  }
  return all;
}

/**
 * Runs the loop on a package until its events are answered or it ends.
 *
 * `files`: the package; `events`: bodies, strings or `{ body, headers }`; `runtime`: the managed
 * version; `env`: more variables; `chunked`: the API answers in chunks; `closes`: it closes each
 * connection after its answer.
 */
export async function run({
  files,
  handler = "index.handler",
  events = ["{}"],
  runtime = "nodejs20.x",
  env = {},
  framed = true,
  chunked = false,
  closes = false,
}) {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "node-loop-")));
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
  const waiting = events.map((event) => (typeof event === "string" ? { body: event } : event));
  const outcome = { responses: [], errors: [], initErrors: [], requests: [] };
  let child;
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part)).on("end", () => {
      const body = Buffer.concat(parts).toString("utf8");
      outcome.requests.push(`${request.method} ${request.url}`);
      if (closes) response.setHeader("Connection", "close");
      if (request.url.endsWith("/next")) return next(response);
      const posted = { body, headers: request.headers, trailers: request.trailers, parts };
      if (request.url.endsWith("/response")) outcome.responses.push(posted);
      else if (request.url.endsWith("/init/error")) outcome.initErrors.push(posted);
      else if (request.url.endsWith("/error")) outcome.errors.push(posted);
      response.statusCode = 202;
      return response.end('{"status":"OK"}\n');
    });
  });
  const next = (response) => {
    const event = waiting.shift();
    // Nothing more to do: the host would let it wait, the tests end it.
    if (!event) return child.kill("SIGKILL");
    const number = events.length - waiting.length;
    const headers = {
      "Lambda-Runtime-Aws-Request-Id": `request-${number}`,
      "Lambda-Runtime-Deadline-Ms": String(Date.now() + 3000),
      "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:1:function:f",
      "Content-Type": "application/json",
      ...event.headers,
    };
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const body = Buffer.from(event.body);
    if (!chunked) response.setHeader("Content-Length", body.length);
    for (let at = 0; at < body.length; at += 7000) response.write(body.subarray(at, at + 7000));
    return response.end();
  };
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  child = spawn(process.execPath, [LOOP], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${server.address().port}`,
      AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}`,
      AWS_LAMBDA_FUNCTION_NAME: "f",
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/f",
      AWS_LAMBDA_LOG_STREAM_NAME: "stream",
      LAMBDA_TASK_ROOT: root,
      _HANDLER: handler,
      ...(framed && { _LAMBDA_TELEMETRY_LOG_FD: "3" }),
      ...env,
    },
  });
  const collected = [1, 2, 3].map((fd) => {
    const parts = [];
    child.stdio[fd].on("data", (part) => parts.push(part));
    return parts;
  });
  const [code, signal] = await new Promise((resolve) => {
    child.on("close", (...ended) => resolve(ended));
  });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  fs.rmSync(root, { recursive: true });
  const [stdout, stderr, log] = collected.map((parts) => Buffer.concat(parts));
  const parsed = (posts) => posts.map((posted) => JSON.parse(posted.body));
  return {
    ...outcome,
    code,
    signal,
    stdout: stdout.toString("utf8"),
    stderr: stderr.toString("utf8"),
    frames: frames(log),
    log: frames(log).map((frame) => frame.text).join(""),
    get json() {
      return parsed(outcome.responses);
    },
    errorJson: parsed(outcome.errors),
    initJson: parsed(outcome.initErrors),
  };
}

/** `run` of one CommonJS file. */
export const runJs = (source, more = {}) => run({ files: { "index.js": source }, ...more });
