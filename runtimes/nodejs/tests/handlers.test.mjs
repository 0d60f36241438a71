// Where handlers come from: module kinds, names, what cannot be loaded.

import assert from "node:assert/strict";
import test from "node:test";
import { run, runJs } from "./harness.mjs";

const ESM = "export const handler = async (event) => ({ esm: event });\n";
const CJS = "exports.handler = async (event) => ({ cjs: event });\n";
const BOTH = ["nodejs20.x", "nodejs24.x"];

for (const runtime of BOTH) {
  const has = async (files, expected, handler) => {
    const { json, log } = await run({ files, runtime, handler, events: ["1"] });
    assert.deepEqual(json, [expected], log);
  };

  test(`${runtime}: the file's ending and package.json decide how it is loaded`, async () => {
    await has({ "index.js": CJS }, { cjs: 1 });
    await has({ "index.mjs": ESM }, { esm: 1 });
    await has({ "index.cjs": CJS }, { cjs: 1 });
    await has({ "index.js": ESM, "package.json": '{"type":"module"}' }, { esm: 1 });
    await has({ "index.js": CJS, "package.json": '{"type":"commonjs"}' }, { cjs: 1 });
    await has({ "index.js": CJS, "index.mjs": ESM }, { cjs: 1 });
  });

  test(`${runtime}: handlers may be in directories and in objects`, async () => {
    const nested = "exports.a = { b: { c: async () => 'deep' } };\n";
    await has({ "src/lib/mod.js": nested }, "deep", "src/lib/mod.a.b.c");
    await has({ "mod.cjs": nested }, "deep", "mod.a.b.c");
  });

  test(`${runtime}: a module may await at its top level`, async () => {
    const source = "const word = await Promise.resolve('waited');\nexport const handler = async () => word;\n";
    await has({ "index.mjs": source }, "waited");
  });

  test(`${runtime}: require.main is nothing, as where AWS's main module is none`, async () => {
    await has({ "index.js": "exports.handler = async () => String(require.main);\n" }, "undefined");
  });

  const fails = async (files, kind, text, handler) => {
    const { initJson, initErrors, log } = await run({ files, runtime, handler });
    assert.equal(initJson[0].errorType, kind, log);
    assert.match(initJson[0].errorMessage, text);
    assert.ok(Array.isArray(initJson[0].trace));
    assert.equal(initErrors[0].headers["lambda-runtime-function-error-type"], kind);
  };

  test(`${runtime}: what cannot be loaded is told by AWS's names`, async () => {
    await fails({ "index.js": "" }, "Runtime.HandlerNotFound", /^index.handler is undefined or not exported$/);
    await fails({ "index.js": "exports.handler = 1" }, "Runtime.HandlerNotFound", /^index.handler is not a function$/);
    await fails({}, "Runtime.ImportModuleError", /^Error: Cannot find module 'index'/);
    await fails({ "index.js": "require('lodash')" }, "Runtime.ImportModuleError", /'lodash'/);
    await fails({ "index.js": "exports.handler = {" }, "Runtime.UserCodeSyntaxError", /^SyntaxError: /);
    await fails({ "index.js": CJS }, "Runtime.MalformedHandlerName", /^Bad handler$/, "index");
    await fails({ "index.js": CJS }, "Runtime.MalformedHandlerName", /not a valid handler name/, "../index.handler");
    await fails({ "index.js": "throw new TypeError('at load')" }, "TypeError", /^at load$/);
  });
}

test("a missing package is named with the command that adds it", async () => {
  const env = { _LAMBDABOX_NPM_HINT: "npm install --prefix /src {module}" };
  const said = async (files) => (await run({ files, env })).log;
  const plain = await said({ "index.js": "require('lodash/fp')" });
  assert.match(plain, /lambdabox: lodash is in neither the package nor a layer; add it with: npm install --prefix \/src lodash\n/);
  const imported = await said({ "index.mjs": "import '@aws-sdk/client-s3'; export const handler = 1;" });
  assert.match(imported, /@aws-sdk\/client-s3, which AWS's own image brings, is in neither.*--prefix \/src @aws-sdk\/client-s3\n/);
  assert.doesNotMatch(await said({ "index.js": "require('./gone')" }), /lambdabox/);
  assert.doesNotMatch(await said({}), /add it with: npm install --prefix \/src \.\//);
});

test("NODE_PATH is where required packages are found", async () => {
  const { json } = await run({
    files: {
      "layer/shared/index.js": "exports.word = 'shared'",
      "index.js": "exports.handler = async () => require('shared').word;",
    },
    env: { NODE_PATH: "layer" },
  });
  assert.deepEqual(json, ["shared"]);
});

test("from nodejs24.x on a handler with a callback is refused in AWS's words", async () => {
  const source = "exports.handler = (event, context, callback) => callback(null, 'called');";
  const { json } = await runJs(source, { runtime: "nodejs22.x" });
  assert.deepEqual(json, ["called"]);
  const { initJson, log } = await runJs(source, { runtime: "nodejs24.x" });
  assert.equal(initJson[0].errorType, "Runtime.CallbackHandlerDeprecated");
  assert.match(initJson[0].errorMessage, /^ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24\./);
  assert.match(log, /\t-\tERROR\tInit Error \t\{"errorType":"Runtime.CallbackHandlerDeprecated"/);
});
