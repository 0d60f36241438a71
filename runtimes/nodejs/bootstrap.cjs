// The managed Node.js loop: loads the customer's handler and serves it the Runtime API.
//
// Behaves as AWS's managed Node.js runtimes do: up to nodejs22.x as `aws-lambda-ric` 3.3 (callbacks,
// `context.done`, waiting for an empty event loop), from nodejs24.x on as 4.0 (promises only, the
// invoke store). CommonJS, because an ESM main module costs 6 to 8 ms of each start; the sockets
// are spoken to directly, because `node:http` costs a third of the throughput.
//
// Not here: making the sandbox, choosing the interpreter, its options (`runtime.toml`) and
// AWS_LAMBDA_EXEC_WRAPPER (the host does those).
//
// Invariants
// - One file, standard library only, Node.js 18 to 26.
// - Every invocation taken from `/next` is answered by exactly one POST, or the process ends. A
//   response that has begun to stream ends in that POST's trailers if it fails.
// - What the function printed is on its way before the answer is posted.
// - Names that start with `_LAMBDABOX_`, and the log descriptor's, are gone before customer code runs.
// - While a handler runs nothing of ours keeps the event loop alive.
//
// Sources: reference/runtime-api.md sections 1, 4, 5.3, 6; `aws-lambda-ric` 3.3.0 and 4.0.2 for
// texts and shapes.
"use strict";

const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const { createRequire, builtinModules } = require("node:module");
const { format, types } = require("node:util");

// ---------------------------------------------------------------------------------------------
// Environment of the process
// ---------------------------------------------------------------------------------------------

/** Removes a variable that is between the host and this file; returns what it held. */
function takeEnv(name) {
  const value = process.env[name];
  delete process.env[name];
  return value;
}

/** The first identifier whose managed runtime takes promises only. */
const FIRST_WITHOUT_CALLBACKS = 24;

/** The managed runtime that is asked for, which may not be the interpreter's own version. */
function managedVersion() {
  const asked = /^AWS_Lambda_nodejs(\d+)\.x$/.exec(process.env.AWS_EXECUTION_ENV ?? "");
  return Number(asked ? asked[1] : process.versions.node.split(".")[0]);
}

/** How many events this process may have at once (runtime-api.md 7.1); 0 is one after another. */
const AT_ONCE = Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY ?? 0);

// Callbacks and what goes with them know one event at a time.
const PROMISES_ONLY = managedVersion() >= FIRST_WITHOUT_CALLBACKS || AT_ONCE > 0;

const isOn = (name) => ["1", "true"].includes(process.env[name]);

// ---------------------------------------------------------------------------------------------
// Errors, in AWS's shapes (runtime-api.md 5.3)
// ---------------------------------------------------------------------------------------------

/** An error of the runtime's own naming: `Runtime.…`. */
function fault(kind) {
  const Fault = class extends Error {};
  Fault.prototype.name = `Runtime.${kind}`;
  return Fault;
}

const HandlerNotFound = fault("HandlerNotFound");
const MalformedHandlerName = fault("MalformedHandlerName");
const MalformedStreamingHandler = fault("MalformedStreamingHandler");
const InvalidStreamingOperation = fault("InvalidStreamingOperation");
const CallbackHandlerDeprecated = fault("CallbackHandlerDeprecated");
const ImportModuleError = fault("ImportModuleError");
const UserCodeSyntaxError = class extends fault("UserCodeSyntaxError") {
  constructor(cause) {
    super(cause);
    if (PROMISES_ONLY) this.stack = cause.stack;
  }
};
const UnhandledPromiseRejection = class extends fault("UnhandledPromiseRejection") {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
};

const intoError = (error) => (error instanceof Error ? error : new Error(error));

/** An object of another realm, or one that only behaves as an error. */
function actsAsError(value) {
  const texts = [value?.name, value?.message, value?.stack];
  return types.isNativeError(value) || texts.every((text) => text && typeof text === "string");
}

const withoutDel = (text) => text?.replaceAll("\x7F", "%7F");

/** What the invoker gets. */
function errorResult(error) {
  try {
    if (actsAsError(error)) {
      return {
        errorType: withoutDel(error.name),
        errorMessage: withoutDel(error.message),
        trace: withoutDel(error.stack).split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or " +
        "more of its message, name, and stack",
    };
  }
}

/** What the log says of it: own properties too, errors inside it as well. */
function errorLine(error) {
  const shown = (_key, value) => {
    if (!(value instanceof Error)) return value;
    const head = { errorType: value.name, errorMessage: value.message, code: value.code };
    const all = Object.assign(head, value);
    if (typeof value.stack === "string") all.stack = value.stack.split("\n");
    return all;
  };
  try {
    return `\t${JSON.stringify(error, shown)}`;
  } catch {
    return `\t${JSON.stringify(errorResult(error))}`;
  }
}

/** The X-Ray cause (runtime-api.md 1.10). */
function xrayCause(error) {
  try {
    const lines = withoutDel(error.stack ?? "").split("\n").slice(1);
    const stack = lines.map((line) => {
      const bare = line.trim().replace(/[()]/g, "").replace(/^\S*\s/, "");
      const space = bare.lastIndexOf(" ");
      const [file, number] = bare.slice(space + 1).split(":");
      return { path: file, line: parseInt(number, 10), label: bare.slice(0, Math.max(space, 0)) || "anonymous" };
    });
    const exception = { type: withoutDel(error.name), message: withoutDel(error.message), stack };
    const paths = [...new Set(stack.map((entry) => entry.path))];
    return JSON.stringify({ working_directory: process.cwd(), exceptions: [exception], paths });
  } catch {
    return "";
  }
}

// ---------------------------------------------------------------------------------------------
// What belongs to the running invocation: request id, tenant, trace
// ---------------------------------------------------------------------------------------------

const REQUEST_ID = Symbol.for("_AWS_LAMBDA_REQUEST_ID");
const TRACE_ID = Symbol.for("_AWS_LAMBDA_X_RAY_TRACE_ID");
const TENANT_ID = Symbol.for("_AWS_LAMBDA_TENANT_ID");
// The places of the older client, which libraries read.
const OLD_REQUEST_ID = Symbol.for("aws.lambda.runtime.requestId");
const OLD_TENANT_ID = Symbol.for("aws.lambda.runtime.tenantId");

/** `awslambda.InvokeStore` of `@aws/lambda-invoke-store`, for one invocation at a time. */
class InvokeStore {
  static PROTECTED_KEYS = { REQUEST_ID, X_RAY_TRACE_ID: TRACE_ID, TENANT_ID };
  #context;

  getContext() {
    return this.#context;
  }
  hasContext() {
    return this.#context !== undefined;
  }
  get(key) {
    return this.#context?.[key];
  }
  set(key, value) {
    if (this.isProtectedKey(key)) {
      throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    }
    this.#context = this.#context || {};
    this.#context[key] = value;
  }
  run(context, fn) {
    this.#context = context;
    return fn();
  }
  isProtectedKey(key) {
    return [REQUEST_ID, TRACE_ID, TENANT_ID].includes(key);
  }
  getRequestId() {
    return this.get(REQUEST_ID) ?? "-";
  }
  getXRayTraceId() {
    return this.get(TRACE_ID);
  }
  getTenantId() {
    return this.get(TENANT_ID);
  }
}

const invokeStore = new InvokeStore();

// ---------------------------------------------------------------------------------------------
// Logs: frames on the log descriptor (runtime-api.md 6.8), or plain standard output
// ---------------------------------------------------------------------------------------------

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
// 0xA55A0000 | level << 2 | has timestamp << 1 | is text.
const TEXT_FRAME = 0xa55a0003;
const JSON_FRAME = 0xa55a0002;
const FRAME_HEADER_BYTES = 16;

// An unfinished line is held up to this size: the largest record AWS's own clients put into one
// frame (runtime-api.md 6.8). The rest of a longer line follows in frames of its own.
const LINE_LIMIT_BYTES = 256 * 1024 - 26;

function writeAll(fd, bytes) {
  for (let sent = 0; sent < bytes.length; ) sent += fs.writeSync(fd, bytes, sent);
}

/** The log descriptor. One frame is one record, whatever newlines it holds. */
class FrameSink {
  constructor(fd) {
    this.fd = fd;
  }

  write(type, milliseconds, bytes) {
    const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + bytes.length);
    frame.writeUInt32BE(type >>> 0, 0);
    frame.writeUInt32BE(bytes.length, 4);
    frame.writeBigUInt64BE(BigInt(milliseconds) * 1000n, 8);
    bytes.copy(frame, FRAME_HEADER_BYTES);
    writeAll(this.fd, frame);
  }

  log(level, now, line, isJson) {
    const type = (isJson ? JSON_FRAME : TEXT_FRAME) | (LEVELS[level] << 2);
    // AWS ends a text record with a newline, a JSON record without.
    this.write(type, now.valueOf(), Buffer.from(isJson ? line : `${line}\n`));
  }
}

/** No log descriptor: records go to standard output, one record kept on one line by `\r`. */
class StandardOutputSink {
  log(_level, _now, line) {
    process.stdout.write(`${line.replaceAll("\n", "\r")}\n`);
  }
}

/** Length of the first piece of a line; no UTF-8 character is cut. */
function pieceOf(bytes) {
  let end = Math.min(bytes.length, LINE_LIMIT_BYTES);
  while (end > 1 && end < bytes.length && (bytes[end] & 0xc0) === 0x80) end -= 1;
  return end;
}

/** Finished lines of `process.stdout` or `process.stderr`, as frames, so that they keep their order
 * with `console`. What children and native code write goes to the descriptor itself. */
class FramedLines {
  constructor(sink) {
    this.sink = sink;
    this.held = Buffer.alloc(0);
    this.cut = false; // the beginning of the present line has already been sent
  }

  push(chunk) {
    let rest = this.held.length ? Buffer.concat([this.held, chunk]) : chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      // Only the end of a line that was sent is not an empty line.
      if (!(this.cut && end === 0)) this.send(rest.subarray(0, end + 1));
      this.cut = false;
      rest = rest.subarray(end + 1);
    }
    while (rest.length > LINE_LIMIT_BYTES) {
      const end = pieceOf(rest);
      this.send(rest.subarray(0, end));
      this.cut = true;
      rest = rest.subarray(end);
    }
    this.held = Buffer.from(rest);
  }

  /** Sends the unfinished line: nothing more will come. */
  flush() {
    const held = this.held;
    this.held = Buffer.alloc(0);
    this.cut = false;
    if (held.length) this.send(held);
  }

  send(bytes) {
    for (let rest = bytes; rest.length; ) {
      const end = pieceOf(rest);
      this.sink.write(TEXT_FRAME, Date.now(), rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  }
}

/** Puts frames behind `process.stdout` and `process.stderr` once somebody uses them: making the
 * streams costs more than the rest of this file. Returns what sends unfinished lines. */
function frameStandardStreams(sink) {
  const used = [];
  for (const name of ["stdout", "stderr"]) {
    const { get } = Object.getOwnPropertyDescriptor(process, name);
    let stream;
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get() {
        if (stream) return stream;
        stream = get.call(process);
        const lines = new FramedLines(sink);
        used.push(lines);
        stream._write = (chunk, encoding, done) => {
          lines.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, encoding));
          done();
        };
        stream._writev = (chunks, done) => {
          for (const { chunk, encoding } of chunks) {
            lines.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, encoding));
          }
          done();
        };
        return stream;
      },
    });
  }
  const sendUnfinishedLines = () => used.forEach((lines) => lines.flush());
  process.on("exit", sendUnfinishedLines);
  return sendUnfinishedLines;
}

/** As AWS's JSON lines show an error that is the message, or inside it. */
function errorsShown(_key, value) {
  if (!(value instanceof Error)) return value;
  const head = {
    errorType: value?.constructor?.name ?? "UnknownError",
    errorMessage: value.message,
    stackTrace: typeof value.stack === "string" ? value.stack.split("\n") : value.stack,
  };
  return Object.assign(head, value);
}

function jsonLine(now, level, parameters) {
  const line = { timestamp: now.toISOString(), level, requestId: logs.requestId() };
  const tenantId = logs.tenantId();
  if (tenantId) line.tenantId = tenantId;
  if (parameters.length === 1) {
    line.message = parameters[0];
    try {
      return JSON.stringify(line, errorsShown);
    } catch {
      line.message = format(line.message);
      return JSON.stringify(line);
    }
  }
  line.message = format(...parameters);
  const error = parameters.slice(1).find((parameter) => parameter instanceof Error);
  const shown = error ?? (parameters[0] instanceof Error ? parameters[0] : undefined);
  if (shown) {
    line.errorType = shown.constructor?.name ?? "UnknownError";
    line.errorMessage = shown.message;
    line.stackTrace = typeof shown.stack === "string" ? shown.stack.split("\n") : [];
  }
  return JSON.stringify(line);
}

/** The log format and level asked for, and where records go. */
const logs = {
  sink: new StandardOutputSink(),
  isJson: process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON",
  sendUnfinishedLines() {},

  requestId: () => (PROMISES_ONLY ? invokeStore.getRequestId() : globalThis[OLD_REQUEST_ID]),
  tenantId: () => (PROMISES_ONLY ? invokeStore.getTenantId() : globalThis[OLD_TENANT_ID]),

  record(level, parameters) {
    const now = new Date();
    const line = this.isJson
      ? jsonLine(now, level, parameters)
      : [now.toISOString(), String(this.requestId()), level, format(...parameters)].join("\t");
    this.sink.log(level, now, line, this.isJson);
  },

  /** An error the way AWS lays it out. */
  error(what, error) {
    if (this.isJson) console.error(intoError(error));
    else console.error(what, errorLine(intoError(error)));
  },

  patchConsole(fd) {
    if (fd !== undefined) {
      this.sink = new FrameSink(Number(fd));
      this.sendUnfinishedLines = frameStandardStreams(this.sink);
    }
    const least = LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;
    for (const level of Object.keys(LEVELS)) {
      const heard = LEVELS[level] >= least;
      console[level.toLowerCase()] = heard
        ? (message, ...more) => this.record(level, [message, ...more])
        : () => {};
    }
    console.log = console.info;
  },
};

// ---------------------------------------------------------------------------------------------
// Runtime API client (runtime-api.md 1): HTTP/1.1 on one kept connection
// ---------------------------------------------------------------------------------------------

const API = "/2018-06-01/runtime/";
const USER_AGENT = `lambdabox-nodejs/${process.versions.node}`;
// AWS's client leaves the X-Ray cause out when it is larger than this.
const XRAY_HEADER_LIMIT_BYTES = 1024 * 1024;
const SMALL_BODY_BYTES = 64 * 1024;
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";

/** The host could not be reached: this process cannot go on. */
class RuntimeApiError extends Error {}

const header = (name, value) => `${name}: ${String(value).replace(/[\r\n]/g, " ")}\r\n`;
const STREAM_HEADERS =
  header("Lambda-Runtime-Function-Response-Mode", "streaming") +
  header("Transfer-Encoding", "chunked") +
  header("Trailer", `${ERROR_TYPE}, ${ERROR_BODY}`);

/** One answer, put together from what arrives. */
class Answer {
  #unread = [];
  #bytes = 0;
  #wanted = 0; // bytes without which another look is of no use
  #head;
  #parts = [];
  begun = false;

  /** Takes bytes; returns `{ status, headers, body }` once complete. */
  take(chunk) {
    this.begun = true;
    this.#unread.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wanted) return undefined;
    while (this.#head === undefined) {
      const head = this.#until("\r\n\r\n");
      if (head === undefined) return undefined;
      const parsed = parseHead(head);
      // Informational answers come before the real one.
      if (parsed.status >= 200) this.#head = parsed;
    }
    if (/chunked/i.test(this.#head.headers["transfer-encoding"] ?? "")) return this.#chunks();
    const length = Number(this.#head.headers["content-length"] ?? 0);
    const body = this.#exactly(length);
    return body && { ...this.#head, body };
  }

  #chunks() {
    for (;;) {
      const before = this.#joined();
      const line = before.indexOf("\r\n");
      if (line < 0) return undefined;
      const size = parseInt(before.toString("latin1", 0, line), 16);
      // Trailers are none of ours; the last chunk is followed by an empty line.
      if (size === 0) {
        if (before.indexOf("\r\n\r\n", line) < 0) return undefined;
        return { ...this.#head, body: Buffer.concat(this.#parts) };
      }
      const end = line + 2 + size + 2;
      if (before.length < end) {
        this.#wanted = end;
        return undefined;
      }
      this.#parts.push(before.subarray(line + 2, line + 2 + size));
      this.#keep(before.subarray(end));
    }
  }

  #joined() {
    if (this.#unread.length !== 1) this.#keep(Buffer.concat(this.#unread));
    return this.#unread[0];
  }

  #keep(rest) {
    this.#unread = [rest];
    this.#bytes = rest.length;
    this.#wanted = 0;
  }

  #until(mark) {
    const all = this.#joined();
    const end = all.indexOf(mark);
    if (end < 0) return undefined;
    this.#keep(all.subarray(end + mark.length));
    return all.subarray(0, end);
  }

  #exactly(count) {
    this.#wanted = count;
    return this.#bytes < count ? undefined : this.#joined().subarray(0, count);
  }
}

function parseHead(bytes) {
  const [first, ...lines] = bytes.toString("utf8").split("\r\n");
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(first.split(" ")[1]), headers };
}

class RuntimeApi {
  #socket;
  #connected = false;

  constructor(address) {
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
    this.target = { host, port: Number(address.slice(colon + 1)), noDelay: true };
    this.fixed = header("Host", address) + header("User-Agent", USER_AGENT);
  }

  /** Waits until the host serves: it does so once the sandbox's network is laid. */
  wait() {
    return this.#call("GET", "/2018-06-01/ping", "");
  }

  /** Waits until there is an event. */
  async next() {
    const answer = await this.#call("GET", `${API}invocation/next`, "");
    if (answer.status !== 200) {
      throw new RuntimeApiError(`Failed to get next invocation, error ${answer.status}`);
    }
    return answer;
  }

  respond(invocation, body, contentType) {
    const headers = header("Content-Type", contentType) + invocation.echo;
    return this.#call("POST", `${invocation.path}/response`, headers, body);
  }

  /** Begins a response that is sent while it is made (runtime-api.md 1.9). */
  begin(invocation, contentType) {
    const where = `${invocation.path}/response`;
    const headers = header("Content-Type", contentType) + invocation.echo + STREAM_HEADERS;
    const socket = this.#connection();
    const answered = this.#answer(socket).catch((error) => {
      throw new RuntimeApiError(`POST ${where}: ${error.message}`, { cause: error });
    });
    // Whoever waits for the answer is told too.
    answered.catch(() => {});
    // With the first bytes of the body.
    socket.cork();
    socket.write(`POST ${where} HTTP/1.1\r\n${this.fixed}${headers}\r\n`);
    process.nextTick(() => socket.uncork());
    let ended = false;
    const end = (trailers) => {
      if (!ended) socket.write(`0\r\n${trailers}\r\n`);
      ended = true;
      return answered;
    };
    invocation.sending = {
      write(bytes, done) {
        // A chunk of nothing would be the end, and after that nothing more is heard.
        if (bytes.length === 0 || ended) return done();
        socket.cork();
        socket.write(`${bytes.length.toString(16)}\r\n`);
        const hasRoom = socket.write(bytes);
        socket.write("\r\n", hasRoom ? undefined : done);
        socket.uncork();
        if (hasRoom) done();
      },
      end: () => end(""),
      fail(error) {
        const result = errorResult(error);
        const body = Buffer.from(JSON.stringify(result)).toString("base64");
        return end(header(ERROR_TYPE, result.errorType) + header(ERROR_BODY, body));
      },
    };
  }

  fail(invocation, error) {
    if (invocation.sending) return invocation.sending.fail(error);
    let headers = header("Content-Type", "application/json") + invocation.echo;
    const cause = xrayCause(error);
    if (cause && Buffer.byteLength(cause) < XRAY_HEADER_LIMIT_BYTES) {
      headers += header("Lambda-Runtime-Function-XRay-Error-Cause", cause);
    }
    const body = JSON.stringify(errorResult(error));
    return this.#call("POST", `${invocation.path}/error`, headers, body);
  }

  failInit(error) {
    const result = errorResult(error);
    let headers = header("Content-Type", "application/json");
    headers += header(ERROR_TYPE, result.errorType);
    return this.#call("POST", `${API}init/error`, headers, JSON.stringify(result));
  }

  /** Status codes of answers to a POST are nobody's business, as with AWS's client. */
  async #call(method, where, headers, body) {
    let head = `${method} ${where} HTTP/1.1\r\n${this.fixed}${headers}`;
    if (body !== undefined) {
      body = Buffer.isBuffer(body) ? body : Buffer.from(body);
      head += `Content-Length: ${body.length}\r\n`;
    }
    const bytes = Buffer.from(`${head}\r\n`);
    const kept = this.#connected;
    try {
      return await this.#exchange(bytes, body);
    } catch (error) {
      // The host closed a connection that was lying idle: once more on a new one.
      if (kept && !error.begun) return this.#exchange(bytes, body);
      throw new RuntimeApiError(`${method} ${where}: ${error.message}`, { cause: error });
    }
  }

  #exchange(head, body) {
    const socket = this.#connection();
    const answered = this.#answer(socket);
    if (body === undefined) socket.write(head);
    else if (body.length < SMALL_BODY_BYTES) socket.write(Buffer.concat([head, body]));
    else {
      socket.cork();
      socket.write(head);
      socket.write(body);
      socket.uncork();
    }
    return answered;
  }

  /** The answer to what is sent now. */
  #answer(socket) {
    return new Promise((resolve, reject) => {
      const answer = new Answer();
      const finish = (settle, value) => {
        socket.removeListener("data", onData);
        socket.removeListener("error", onEnd);
        socket.removeListener("close", onEnd);
        // A handler may run now; its event loop is its own.
        socket.unref();
        settle(value);
      };
      const onEnd = (error) => {
        this.#connected = false;
        const text = error?.message ?? "connection closed by the host";
        finish(reject, Object.assign(new Error(text), { begun: answer.begun }));
      };
      const onData = (chunk) => {
        const complete = answer.take(chunk);
        if (!complete) return;
        if (/close/i.test(complete.headers.connection ?? "")) this.#disconnect();
        finish(resolve, complete);
      };
      socket.on("data", onData).on("error", onEnd).on("close", onEnd);
      socket.ref();
    });
  }

  #connection() {
    if (this.#connected) return this.#socket;
    this.#socket = net.connect(this.target);
    // An idle connection that breaks is found out by its next use.
    this.#socket.on("error", () => {}).on("close", () => (this.#connected = false));
    this.#connected = true;
    return this.#socket;
  }

  #disconnect() {
    this.#connected = false;
    this.#socket.destroy();
  }
}

// ---------------------------------------------------------------------------------------------
// The context object
// ---------------------------------------------------------------------------------------------

function headerJson(text, name) {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

/** Fills in what environment and headers say; sets the trace of the invocation. */
function describeInvocation(context, headers) {
  const traceId = headers["lambda-runtime-trace-id"];
  if (traceId) process.env._X_AMZN_TRACE_ID = traceId;
  else delete process.env._X_AMZN_TRACE_ID;
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return Object.assign(context, {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: headerJson(headers["lambda-runtime-client-context"], "ClientContext"),
    identity: headerJson(headers["lambda-runtime-cognito-identity"], "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    ...(PROMISES_ONLY && { xRayTraceId: traceId }),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  });
}

// ---------------------------------------------------------------------------------------------
// Streaming handlers
// ---------------------------------------------------------------------------------------------

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
const PRELUDE_CONTENT_TYPE = "application/vnd.awslambda.http-integration-response";
const PRELUDE_DELIMITER_BYTES = 8;

class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType(PRELUDE_CONTENT_TYPE);
    stream._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude));
      write(new Uint8Array(PRELUDE_DELIMITER_BYTES));
    };
    return stream;
  }
}

function setAwsLambdaGlobal() {
  if (isOn("AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA")) return;
  globalThis.awslambda = {
    ...globalThis.awslambda,
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (typeof options?.highWaterMark === "number") {
        handler[HIGH_WATER_MARK] = parseInt(String(options.highWaterMark), 10);
      }
      return handler;
    },
    HttpResponseStream,
    ...(PROMISES_ONLY && { InvokeStore: invokeStore }),
  };
}

function isStreaming(handler) {
  if (!handler[STREAMING]) return false;
  if (handler[STREAMING] === "response") return true;
  throw new MalformedStreamingHandler("Only response streaming is supported.");
}

/** A response stream: what is written goes to the host at once, as fast as that takes it. */
function responseStream(api, invocation, highWaterMark) {
  const { Writable } = require("node:stream");
  let begun = false;
  const sending = () => {
    if (!invocation.sending) api.begin(invocation, stream.contentType);
    return invocation.sending;
  };
  const stream = new Writable({
    highWaterMark,
    write(chunk, _encoding, done) {
      sending().write(chunk, done);
    },
    final(done) {
      logs.sendUnfinishedLines();
      sending()
        .end()
        .then(() => done(), done);
    },
  });
  stream.contentType = "application/octet-stream";
  stream.setContentType = (contentType) => {
    if (begun) throw new InvalidStreamingOperation("Cannot set content-type, too late.");
    stream.contentType = contentType;
  };
  const write = stream.write.bind(stream);
  stream.write = (chunk, encoding, callback) => {
    if (typeof chunk !== "string" && !Buffer.isBuffer(chunk) && !(chunk instanceof Uint8Array)) {
      chunk = JSON.stringify(chunk);
    }
    if (!begun) {
      begun = true;
      stream._onBeforeFirstWrite?.((first) => write(first));
    }
    return write(chunk, encoding, callback);
  };
  const end = stream.end.bind(stream);
  stream.end = (chunk, encoding, callback) => {
    if (chunk !== undefined && chunk !== null && typeof chunk !== "function") {
      stream.write(chunk, typeof encoding === "string" ? encoding : undefined);
      return end(typeof encoding === "function" ? encoding : callback);
    }
    return end(chunk ?? encoding ?? callback);
  };
  stream.finished = new Promise((resolve) => stream.once("close", resolve));
  // Nothing is written behind all that was.
  stream.flushed = () => new Promise((resolve) => write(Buffer.alloc(0), resolve));
  return stream;
}

// ---------------------------------------------------------------------------------------------
// The handler
// ---------------------------------------------------------------------------------------------

// From here `require` looks where it would from AWS's own file, NODE_PATH included.
const customerRequire = createRequire(__filename);

function splitHandler(handler) {
  if (handler.includes("..")) {
    throw new MalformedHandlerName(
      `'${handler}' is not a valid handler name. Use absolute paths when specifying root ` +
        "directories in handler names.",
    );
  }
  const base = path.basename(handler);
  const root = handler.slice(0, handler.indexOf(base));
  const match = /^([^.]*)\.(.*)$/.exec(base);
  if (!match) throw new MalformedHandlerName("Bad handler");
  return { root, module: match[1], property: match[2] };
}

const requireIfThere = (file) => (fs.existsSync(file) ? customerRequire(file) : undefined);
const importIfThere = async (file) => (fs.existsSync(file) ? import(file) : undefined);

/** Whether the nearest package.json says `"type": "module"`. */
function isModulePackage(folder) {
  if (folder.endsWith("/node_modules")) return false;
  const file = path.join(folder, "package.json");
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, "utf8"))?.type === "module";
    } catch (error) {
      console.warn(
        `${file} cannot be read, it will be ignored for ES module detection purposes.`,
        error,
      );
      return false;
    }
  }
  return folder !== "/" && isModulePackage(path.dirname(folder));
}

/** The order of nodejs22.x and older: CommonJS is required, the rest imported. */
async function loadRequired(file) {
  const extensionless = requireIfThere(file);
  if (extensionless) return extensionless;
  const js = `${file}.js`;
  const isModule = fs.existsSync(js) && isModulePackage(path.dirname(js));
  const loaded = isModule ? await importIfThere(js) : requireIfThere(js);
  return loaded || (await importIfThere(`${file}.mjs`)) || requireIfThere(`${file}.cjs`);
}

/** The order of nodejs24.x and newer: everything is imported. */
async function loadImported(file) {
  for (const extension of ["", ".js", ".mjs", ".cjs"]) {
    const loaded = await importIfThere(file + extension);
    if (loaded) return loaded;
  }
  return undefined;
}

async function loadModule(taskRoot, { root, module }) {
  const file = path.resolve(taskRoot, root, module);
  try {
    const loaded = await (PROMISES_ONLY ? loadImported(file) : loadRequired(file));
    if (loaded) return loaded;
    const paths = PROMISES_ONLY ? [taskRoot, path.join(taskRoot, root)] : [taskRoot, root];
    return customerRequire(customerRequire.resolve(module, { paths }));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserCodeSyntaxError(error);
    if (error?.code === "MODULE_NOT_FOUND") {
      throw Object.assign(new ImportModuleError(error), { missing: error });
    }
    throw error;
  }
}

function findIn(module, property) {
  return property.split(".").reduce((nested, key) => {
    const isObject = nested && (typeof nested === "object" || !PROMISES_ONLY);
    return isObject ? nested[key] : undefined;
  }, module);
}

const NO_CALLBACKS =
  "ERROR: AWS Lambda has removed support for callback-based function handlers starting with " +
  "Node.js 24. You need to modify this function to use a supported handler signature to use " +
  "Node.js 24 or later. For more information see " +
  "https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.";
const CALLBACK_PARAMETERS = 3;

async function loadHandler(taskRoot, name) {
  const parts = splitHandler(name);
  const module = await loadModule(taskRoot, parts);
  let handler = findIn(module, parts.property);
  if (!handler && PROMISES_ONLY) handler = findIn(module?.default, parts.property);
  if (!handler) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new HandlerNotFound(`${name} is not a function`);
  const streaming = isStreaming(handler);
  if (PROMISES_ONLY && !streaming && handler.length >= CALLBACK_PARAMETERS) {
    throw new CallbackHandlerDeprecated(NO_CALLBACKS);
  }
  return { handler, streaming };
}

/** One line that names the command which would add the missing package, or nothing. */
function packageHint(template, error) {
  const text = String((error?.missing ?? error)?.message ?? "");
  const name = /^Cannot find (?:module|package) '([^']+)'/.exec(text)?.[1];
  if (!template || !name || /^[./]|:/.test(name) || builtinModules.includes(name)) return undefined;
  const parts = name.split("/");
  const wanted = name.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
  const brought = wanted.startsWith("@aws-sdk/") ? ", which AWS's own image brings," : "";
  const command = template.replace("{module}", wanted);
  return `lambdabox: ${wanted}${brought} is in neither the package nor a layer; add it with: ${command}`;
}

// ---------------------------------------------------------------------------------------------
// The loop of nodejs24.x and newer
// ---------------------------------------------------------------------------------------------

/** What `undefined` becomes is `null`; what cannot be JSON is the function's error. */
function answerOf(result) {
  try {
    return JSON.stringify(result === undefined ? null : result);
  } catch {
    const error = new Error("Unable to stringify response body");
    if (PROMISES_ONLY) error.name = "Runtime.JSONStringifyError";
    throw error;
  }
}

const isPromise = (value) => typeof value?.then === "function";

/** An event taken from the host, and how to answer it. */
async function take(api) {
  const { headers, body } = await api.next();
  const requestId = headers["lambda-runtime-aws-request-id"];
  const attempt = headers["lambda-runtime-invocation-id"];
  return {
    requestId,
    headers,
    body,
    path: `${API}invocation/${encodeURIComponent(requestId)}`,
    // The attempt's id goes back as it came (runtime-api.md 1.3).
    echo: attempt === undefined ? "" : header("Lambda-Runtime-Invocation-Id", attempt),
  };
}

const oneTurn = () => new Promise((resolve) => setImmediate(resolve));

async function answerByPromise(api, { handler, streaming }, invocation) {
  try {
    const context = describeInvocation({}, invocation.headers);
    const event = JSON.parse(invocation.body.toString("utf8"));
    if (streaming) {
      await streamed(api, invocation, handler, event, context);
      return async () => {};
    }
    const answer = answerOf(await handler(event, context));
    await oneTurn();
    logs.sendUnfinishedLines();
    return () => api.respond(invocation, answer, "application/json");
  } catch (error) {
    await oneTurn();
    logs.error("Invoke Error", error);
    logs.sendUnfinishedLines();
    return () => api.fail(invocation, error);
  }
}

/** Ends when the host has all of the response. */
async function streamed(api, invocation, handler, event, context) {
  const stream = responseStream(api, invocation, handler[HIGH_WATER_MARK]);
  try {
    const returned = handler(event, stream, context);
    if (!isPromise(returned)) throw new Error("Streaming does not support non-async handlers.");
    if ((await returned) !== undefined) console.warn("Streaming handlers ignore return values.");
    if (!stream.writableEnded) throw new Error("Response stream is not finished.");
  } catch (error) {
    if (invocation.sending && stream.writable) await stream.flushed();
    throw error;
  }
  await stream.finished;
}

async function servePromises(api, loaded) {
  for (;;) {
    const invocation = await take(api);
    const current = {
      [REQUEST_ID]: invocation.requestId,
      [TRACE_ID]: invocation.headers["lambda-runtime-trace-id"],
      [TENANT_ID]: invocation.headers["lambda-runtime-aws-tenant-id"],
    };
    const send = await invokeStore.run(current, () => answerByPromise(api, loaded, invocation));
    await send();
  }
}

/** As many loops as there may be events, each with a connection of its own; all in this thread. */
function serveAtOnce(loaded) {
  const loop = () => servePromises(new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API), loaded);
  return Promise.all(Array.from({ length: AT_ONCE }, loop));
}

// ---------------------------------------------------------------------------------------------
// The loop of nodejs22.x and older: callbacks, and an answer when the event loop is empty
// ---------------------------------------------------------------------------------------------

const BEFORE_EXIT = Symbol.for("aws.lambda.beforeExit");
const whenLoopIsEmpty = (listener) => (globalThis[BEFORE_EXIT] = listener);
const NOTHING = () => {};

class CallbackLoop {
  constructor(api, { handler, streaming }) {
    this.api = api;
    this.handler = handler;
    this.once = streaming ? this.streaming : this.buffered;
    this.failing = { uncaught: this.initFailure(129), rejected: this.initFailure(128) };
  }

  initFailure(code) {
    return (error) => this.api.failInit(error).finally(() => process.exit(code));
  }

  schedule = () => {
    setImmediate(() => {
      this.once().catch((error) => {
        console.log(`Unexpected Top Level Error: ${error}`);
        process.exit(129);
      });
    });
  };

  send(post) {
    logs.sendUnfinishedLines();
    post().then(this.schedule, (error) => {
      console.log(`Unexpected Top Level Error: ${error}`);
      process.exit(129);
    });
  }

  async begin() {
    const invocation = await take(this.api);
    globalThis[OLD_REQUEST_ID] = invocation.requestId;
    globalThis[OLD_TENANT_ID] = invocation.headers["lambda-runtime-aws-tenant-id"];
    const failed = (code) => (error) => {
      logs.sendUnfinishedLines();
      this.api.fail(invocation, error).finally(() => process.exit(code));
    };
    this.failing = { uncaught: failed(129), rejected: failed(128) };
    return invocation;
  }

  async buffered() {
    const invocation = await this.begin();
    const calls = new Calls(this, invocation);
    whenLoopIsEmpty(() => calls.completeWith(null));
    try {
      const event = JSON.parse(invocation.body.toString("utf8"));
      const context = describeInvocation(calls.context, invocation.headers);
      const result = this.handler(event, context, calls.callback);
      if (isPromise(result)) result.then(context.succeed, context.fail).catch(context.fail);
    } catch (error) {
      calls.callback(error);
    }
  }

  async streaming() {
    const invocation = await this.begin();
    whenLoopIsEmpty(() => this.schedule());
    const wait = { callbackWaitsForEmptyEventLoop: true };
    let post;
    try {
      const context = describeInvocation(wait, invocation.headers);
      const event = JSON.parse(invocation.body.toString("utf8"));
      await streamed(this.api, invocation, this.handler, event, context);
      post = async () => {};
    } catch (error) {
      logs.error("Invoke Error", error);
      post = () => this.api.fail(invocation, error);
    }
    whenLoopIsEmpty(NOTHING);
    this.send(post);
  }
}

/** `callback`, `context.succeed`, `.fail` and `.done` of one invocation. */
class Calls {
  #loop;
  #invocation;
  #completed = false;
  #waits = true;

  constructor(loop, invocation) {
    this.#loop = loop;
    this.#invocation = invocation;
    let called = false;
    // The first call counts, unless it throws: then its error may still be told.
    const first = (call) => (...given) => {
      if (called) return;
      call(...given);
      called = true;
    };
    this.callback = first((error, result) => this.#call(error, result));
    const done = (error, result) => this.#done(error, result);
    const calls = this;
    this.context = {
      get callbackWaitsForEmptyEventLoop() {
        return calls.#waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        calls.#waits = value;
      },
      succeed: first((result) => done(null, result)),
      fail: first((error) => done(error ?? "handled", null)),
      done: first(done),
    };
  }

  /** Answers, whether or not somebody is still going to call. */
  completeWith(result) {
    if (this.#completed) {
      console.error(
        "Invocation has already been reported as done. Cannot call complete more than once per " +
          "invocation.",
      );
      return;
    }
    const body = answerOf(result);
    this.#completed = true;
    this.#loop.send(() => this.#loop.api.respond(this.#invocation, body, "application/json"));
  }

  #call(error, result) {
    whenLoopIsEmpty(NOTHING);
    if (error !== undefined && error !== null) this.#fail(error);
    else if (!this.#waits) this.completeWith(result);
    else whenLoopIsEmpty(() => {
      whenLoopIsEmpty(NOTHING);
      setImmediate(() => this.completeWith(result));
    });
  }

  #done(error, result) {
    whenLoopIsEmpty(NOTHING);
    if (error !== undefined && error !== null) this.#fail(error);
    else this.completeWith(result);
  }

  #fail(error) {
    logs.error("Invoke Error", error);
    this.#loop.send(() => this.#loop.api.fail(this.#invocation, error));
  }
}

// ---------------------------------------------------------------------------------------------
// Start
// ---------------------------------------------------------------------------------------------

/** Errors outside of any handler's hands, up to nodejs22.x; later Node.js itself ends the process. */
function watchForUncaught(current) {
  process.on("uncaughtException", (error) => {
    logs.error("Uncaught Exception", error);
    current().uncaught(error);
  });
  process.on("unhandledRejection", (reason, promise) => {
    const error = new UnhandledPromiseRejection(reason, promise);
    logs.error("Unhandled Promise Rejection", error);
    current().rejected(error);
  });
  whenLoopIsEmpty(NOTHING);
  process.on("beforeExit", () => globalThis[BEFORE_EXIT]());
}

// Node.js' own code for a module whose `await` nothing can settle any more.
const EXIT_UNSETTLED = 13;

async function main() {
  const fd = takeEnv("_LAMBDA_TELEMETRY_LOG_FD");
  const hintTemplate = takeEnv("_LAMBDABOX_NPM_HINT");
  // The interpreter was started while the network was still being laid (see the host's pool).
  const mustWait = takeEnv("_LAMBDABOX_WAIT");
  // AWS's main module is not CommonJS, so `require.main` is nothing to a handler.
  process.mainModule = undefined;
  setAwsLambdaGlobal();
  logs.patchConsole(fd);

  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  const failInit = (code) => (error) => api.failInit(error).finally(() => process.exit(code));
  let failing = { uncaught: failInit(129), rejected: failInit(128) };
  if (!PROMISES_ONLY) watchForUncaught(() => failing);
  if (mustWait) await api.wait();

  let loading = true;
  process.on("exit", (code) => {
    if (loading && code === 0 && !PROMISES_ONLY) process.exitCode = EXIT_UNSETTLED;
  });
  let loaded;
  try {
    loaded = await loadHandler(process.env.LAMBDA_TASK_ROOT ?? "/var/task", process.env._HANDLER ?? "");
  } catch (error) {
    loading = false;
    const hint = packageHint(hintTemplate, error);
    delete error?.missing;
    logs.error(PROMISES_ONLY ? "Init Error" : "Uncaught Exception", error);
    if (hint) process.stderr.write(`${hint}\n`);
    logs.sendUnfinishedLines();
    return failInit(PROMISES_ONLY ? 1 : 129)(error);
  }
  loading = false;
  logs.sendUnfinishedLines();

  if (AT_ONCE > 0) return serveAtOnce(loaded);
  if (PROMISES_ONLY) return servePromises(api, loaded);
  const loop = new CallbackLoop(api, loaded);
  failing = {
    uncaught: (error) => loop.failing.uncaught(error),
    rejected: (error) => loop.failing.rejected(error),
  };
  return loop.schedule();
}

main().catch((error) => {
  // The host is gone, or refuses: there is nobody to tell but the log.
  console.error("Unexpected Top Level Error:", error);
  logs.sendUnfinishedLines();
  process.exit(1);
});
