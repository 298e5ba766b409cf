// client_js.mjs: every row of behaviours.json through the AWS SDK for JavaScript.
//
// A row scripts the mock over its admin API, makes one call as an application would, and states what the SDK must have
// made of the answer and what the mock's journal must say of the request. What came out is brought into one plain form
// (an "outcome", see README.md) that is the same for both SDKs, so that most expectations are written once.
//
// Starts nothing. The environment says where the mocks are (LENIENT, STRICT: their URLs; LENIENT_ADMIN, STRICT_ADMIN;
// LENIENT_LOG, STRICT_LOG: what they print) and where the SDK was installed (INTEROP). Arguments: names of rows to run.
// Prints `ok name` or `not ok name: why`; run.sh counts.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const env = process.env;
const here = dirname(fileURLToPath(import.meta.url));
const sdk = createRequire(join(env.INTEROP, "js", "package.json"));
const clients = { "bedrock-runtime": "BedrockRuntimeClient", bedrock: "BedrockClient", "bedrock-agent-runtime": "BedrockAgentRuntimeClient", sts: "STSClient" };
const runtime = "bedrock-runtime";
const speaksHttp2 = [runtime, "bedrock-agent-runtime"]; // by its own handler; the clients without event streams stay with HTTP/1.1
const serviceOf = (row) => row.service ?? runtime;
const sdkOf = (row) => sdk(`@aws-sdk/client-${serviceOf(row)}`);
const { NodeHttpHandler } = sdk("@smithy/node-http-handler");
// --handler h2: every row with the SDK's own default handler, which speaks HTTP/2; otherwise with NodeHttpHandler.
const handlerAt = process.argv.indexOf("--handler");
const http2 = handlerAt > 0 && process.argv[handlerAt + 1] === "h2";
if (handlerAt > 0) process.argv.splice(handlerAt, 2);
const self = http2 ? "js-h2" : "js";
const read = (...path) => JSON.parse(readFileSync(join(here, ...path), "utf8"));
const vectors = new Map(read("../../fixtures/vectors/eventstream.json").vectors.map((v) => [v.name, v]));
const observed = new Map(read("../../fixtures/vectors/sdk-behaviours.json").behaviours.map((b) => [b.name, b]));

// ---- plain values ----

const RealDate = Date; // makeClient puts another in its place

const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);

const matchers = ["$regex", "$absent", "$least", "$any", "$some", "$exact"];
const isMatcher = (v) => matchers.some((key) => key in v);

function merge(a, b) {
  if (b === undefined) return a;
  if (!isObject(a) || !isObject(b) || isMatcher(b)) return b;
  const out = { ...a };
  for (const key of Object.keys(b)) out[key] = merge(a[key], b[key]);
  return out;
}

// What the SDK gave, as JSON: bytes become {"$bytes": text} or {"$base64": text}, absent members stay away.
function plain(v) {
  if (v instanceof Uint8Array) {
    const text = Buffer.from(v).toString("utf8");
    return Buffer.from(text, "utf8").equals(Buffer.from(v)) ? { $bytes: text } : { $base64: Buffer.from(v).toString("base64") };
  }
  if (typeof v === "bigint") return Number(v);
  if (v instanceof RealDate) return v.toISOString().replace(/\.\d+/, "");
  if (v?.constructor?.name === "NumericValue") return Number(v.string);
  if (Array.isArray(v)) return v.map(plain);
  if (!isObject(v)) return v;
  return Object.fromEntries(Object.entries(v).filter(([, x]) => x !== undefined).map(([k, x]) => [k, plain(x)]));
}

// Every value of a tree, those below first, through `change`.
function walk(v, change) {
  if (Array.isArray(v)) return v.map((x) => walk(x, change));
  return isObject(v) ? change(Object.fromEntries(Object.entries(v).map(([k, x]) => [k, walk(x, change)]))) : v;
}

// The other way, for inputs: {"$base64": ...} becomes bytes.
const revive = (v) => walk(v, (x) => (typeof x.$base64 === "string" ? new Uint8Array(Buffer.from(x.$base64, "base64")) : x));

// Long texts are not spelled out in the table: {"$repeat": [text, n]}.
const spell = (v) => walk(v, (x) => (Array.isArray(x.$repeat) ? x.$repeat[0].repeat(x.$repeat[1]) : x));

// Where `actual` is not what `expected` says, or null. Objects name the members that matter; lists are whole.
function mismatch(expected, actual, at = "") {
  const say = () => `${at || "outcome"}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`.slice(0, 700);
  if (isObject(expected)) {
    if ("$regex" in expected) return typeof actual === "string" && new RegExp(expected.$regex, "u").test(actual) ? null : say();
    if ("$absent" in expected) return actual === undefined ? null : say();
    if ("$least" in expected) return typeof actual === "number" && actual >= expected.$least ? null : say();
    if ("$any" in expected) return expected.$any.some((choice) => mismatch(choice, actual) === null) ? null : say();
    if ("$some" in expected) return Array.isArray(actual) && actual.some((item) => mismatch(expected.$some, item) === null) ? null : say();
    if ("$exact" in expected) return sameKeys(expected.$exact, actual) ? mismatch(expected.$exact, actual, at) : say();
    if (!isObject(actual)) return say();
    for (const key of Object.keys(expected)) {
      const why = mismatch(expected[key], actual[key], `${at}/${key}`);
      if (why) return why;
    }
    return null;
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return say();
    for (let i = 0; i < expected.length; i++) {
      const why = mismatch(expected[i], actual[i], `${at}/${i}`);
      if (why) return why;
    }
    return null;
  }
  return Object.is(expected, actual) ? null : say();
}

function sameKeys(a, b) {
  if (isObject(a)) return isObject(b) && Object.keys(a).sort().join() === Object.keys(b).sort().join() && Object.keys(a).every((k) => sameKeys(a[k], b[k]));
  return !Array.isArray(a) || (Array.isArray(b) && a.length === b.length && a.every((x, i) => sameKeys(x, b[i])));
}

const table = spell(read("behaviours.json"));

// ---- event-stream bytes that the mock cannot make from words ----

const crcTable = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});
const crc32 = (bytes) => bytes.reduce((c, b) => crcTable[(c ^ b) & 255] ^ (c >>> 8), 0xffffffff) ^ 0xffffffff;
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n >>> 0); return b; };

function frameHex({ headers, payload = "" }) {
  const parts = [];
  for (const [name, type, value] of headers) {
    const bytes = Buffer.from(value), length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    parts.push(Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), Buffer.from([{ string: 7, bytes: 6, bad: 10 }[type]]), length, bytes);
  }
  const head = Buffer.concat(parts), body = Buffer.from(payload);
  const prelude = Buffer.concat([u32(16 + head.length + body.length), u32(head.length)]);
  const message = Buffer.concat([prelude, u32(crc32(prelude)), head, body]);
  return Buffer.concat([message, u32(crc32(message))]).toString("hex");
}

// "00ff 61*3" is 00ff616161 (fixtures/vectors/README.md)
const runs = (text) => Buffer.concat(text.split(" ").filter(Boolean).map((run) => {
  const [hex, times = "1"] = run.split("*");
  return Buffer.from(hex.repeat(Number(times)), "hex");
}));

const scripted = (reply) => (reply.frames ? { ...reply, frames: reply.frames.map((f) => (f.headers ? { raw_hex: frameHex(f) } : f)) } : reply);

// The answer that an entry of sdk-behaviours.json was observed with.
function observedReply({ server }) {
  const type = server.vector ? "application/vnd.amazon.eventstream" : "application/json";
  const headers = new Map([["content-type", type], ["x-amzn-requestid", table.request_id]]);
  for (const [name, value] of Object.entries(server.headers ?? {})) headers.set(name.toLowerCase(), value);
  const raw = { status: server.status, headers: [...headers].filter(([, v]) => v !== null) };
  if (server.vector) {
    const bytes = runs(vectors.get(server.vector).bytes);
    raw.body_base64 = bytes.subarray(0, server.first_bytes ?? bytes.length).toString("base64");
  } else raw.body = server.body ?? "";
  return { raw };
}

// ---- the mock ----

async function admin(base, path, body) {
  const init = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(base + path, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: the mock says ${answer.status} ${text}`);
  return JSON.parse(text);
}

function script(row) {
  if (row.replies) return row.replies.map((r) => ({ ...r, reply: scripted(r.reply) }));
  const seen = row.as ? observed.get(row.as) : undefined;
  const reply = row.reply ? scripted(row.reply) : seen ? observedReply(seen) : undefined;
  if (!reply) return [];
  const last = seen?.server.at_last ? [{ times: "always", reply: { text: "at last" } }] : [];
  return [{ times: last.length ? (row.failures ?? seen.js.requests - 1) : "always", reply }, ...last];
}

// ---- one call ----

const asStream = (operation) => operation.endsWith("Stream");

// The clock of the whole program, so that the SDK can find out that it is wrong.
function shiftClock(ms) {
  globalThis.Date = ms === 0 ? RealDate : class extends RealDate {
    constructor(...given) { super(...(given.length ? given : [RealDate.now() + ms])); }
    static now() { return RealDate.now() + ms; }
  };
}

// Options in place of a handler are for the handler that the SDK chooses itself: HTTP/2, one connection a request.
function requestHandler({ read_timeout_ms }) {
  if (http2) return read_timeout_ms ? { requestHandler: { requestTimeout: read_timeout_ms, disableConcurrentStreams: true } } : {};
  return { requestHandler: new NodeHttpHandler({ socketTimeout: read_timeout_ms ?? 15000, requestTimeout: read_timeout_ms ?? 15000 }) };
}

function makeClient(row, url) {
  const c = row.client ?? {};
  shiftClock(c.clock_ms ?? 0);
  if (c.bearer) env.AWS_BEARER_TOKEN_BEDROCK = c.bearer;
  else delete env.AWS_BEARER_TOKEN_BEDROCK;
  const client = new (sdkOf(row)[clients[serviceOf(row)]])({
    region: c.region ?? "us-east-1", endpoint: url, maxAttempts: row.attempts ?? (row.as ? 3 : 1),
    retryMode: c.retry_mode,
    credentials: c.bearer ? undefined : { ...table.credentials, ...c.credentials },
    ...requestHandler(c),
  });
  if (c.tamper) client.middlewareStack.add(tamper(c.tamper), { step: "deserialize", name: "tamper", priority: "low" });
  return client;
}

// What a careless proxy does to a request that was already signed.
const tamper = (what) => (next) => (args) => {
  const request = args.request;
  if (what === "body") request.body = new TextDecoder().decode(request.body).replace("hello", "jello");
  if (what === "content-type") request.headers["content-type"] = "application/json; charset=utf-8";
  if (what === "path") request.path = request.path.replace("%3A", ":");
  if (what === "unsigned") request.headers["x-forwarded-for"] = "127.0.0.1";
  return next(args);
};

function errorOf(e) {
  const own = {};
  for (const key of Object.keys(e)) if (!["name", "$fault", "$metadata", "$service", "message", "$retryable", "$response"].includes(key)) own[key] = plain(e[key]);
  return { ...own, name: e.name, class: e.constructor.name, message: e.message, status: e.$metadata?.httpStatusCode, request_id: e.$metadata?.requestId, fault: e.$fault, retry_after: e.$response?.headers?.["retry-after"] };
}

const message = (role, content) => ({ role, blocks: content });

function unaryOutcome(operation, output) {
  const { $metadata, ...rest } = output;
  const out = { result: "answer", status: $metadata.httpStatusCode, request_id: $metadata.requestId, output: plain(rest) };
  if (operation !== "Converse") return out;
  const p = out.output;
  return { ...out, ...message(p.output?.message?.role, p.output?.message?.content), stop: p.stopReason, usage: p.usage, metrics: p.metrics, additional: p.additionalModelResponseFields, trace: p.trace };
}

// Blocks from deltas, as every gateway has to put them together.
class Assembly {
  out = { result: "stream ended", events: 0, types: [], deltas: [], chunks: [] };
  blocks = [];
  inputs = [];
  take(event) {
    const type = Object.keys(event).find((k) => event[k] !== undefined) ?? "";
    const value = plain(event[type]);
    this.out.events++;
    if (this.out.types.at(-1) !== type) this.out.types.push(type);
    this[type]?.(value);
  }
  messageStart(v) { this.out.role = v?.role; }
  contentBlockStart(v) { this.blocks[v.contentBlockIndex] = { ...v.start }; }
  contentBlockDelta(v) {
    const i = v.contentBlockIndex, d = v.delta ?? {}, b = (this.blocks[i] ??= {}), pieces = (this.out.deltas[i] ??= []);
    const kind = Object.keys(d)[0], x = d[kind];
    if (kind === "text") { b.text = (b.text ?? "") + x; pieces.push(x); }
    else if (kind === "toolUse") { this.inputs[i] = (this.inputs[i] ?? "") + x.input; pieces.push(x.input); }
    else if (kind === "reasoningContent") this.reasoning(b, x, pieces);
    else if (kind === "citation") (b.citations ??= []).push(x);
    else if (kind) b[kind] = x;
  }
  reasoning(b, x, pieces) {
    if (x.redactedContent) b.reasoningContent = { redactedContent: x.redactedContent };
    else {
      const r = ((b.reasoningContent ??= {}).reasoningText ??= {});
      if (x.text !== undefined) { r.text = (r.text ?? "") + x.text; pieces.push(x.text); }
      if (x.signature !== undefined) r.signature = (r.signature ?? "") + x.signature;
    }
  }
  messageStop(v) { this.out.stop = v?.stopReason; this.out.additional = v?.additionalModelResponseFields; }
  metadata(v) { this.out.usage = v?.usage; this.out.metrics = v?.metrics; this.out.trace = v?.trace; }
  chunk(v) { this.out.chunks.push(v.bytes?.$bytes ?? null); }
  outcome(more) {
    for (const [i, b] of this.blocks.entries())
      if (b?.toolUse) try { b.toolUse.input = JSON.parse(this.inputs[i] || "{}"); } catch { b.toolUse.input = { $unparsed: this.inputs[i] }; }
    return { ...this.out, blocks: this.blocks, inputs: this.inputs.filter((x) => x !== undefined), ...more };
  }
}

async function call(row, client) {
  const Command = sdkOf(row)[`${row.operation}Command`];
  const model = serviceOf(row) === runtime && !row.no_model ? { modelId: row.model ?? table.model } : {};
  const input = revive({ ...model, ...(row.input ?? table.inputs[row.operation]) });
  let output;
  try {
    output = await client.send(new Command(input));
  } catch (e) {
    return { result: "refused", error: errorOf(e) };
  }
  if (!asStream(row.operation)) return unaryOutcome(row.operation, output);
  const assembly = new Assembly();
  const meta = { status: output.$metadata.httpStatusCode, request_id: output.$metadata.requestId };
  try {
    for await (const event of output.stream ?? output.body) assembly.take(event);
  } catch (e) {
    return assembly.outcome({ ...meta, result: "stream broke", error: errorOf(e) });
  }
  return assembly.outcome(meta);
}

// ---- what must come out ----

// An observation of sdk-behaviours.json as an expectation. Engines word their own errors anew now and then, so the
// texts of TypeError, RangeError and SyntaxError are left out, and of a checksum its numbers when the bytes are not the observed ones.
function observedExpectation(row) {
  if (!row.as) return {};
  const seen = observed.get(row.as);
  if (!seen) throw new Error(`no observation is called ${row.as}`);
  const { result, requests, events, error, output, status } = seen.js;
  const want = { result, requests };
  if (events !== undefined) want.events = events;
  if (status !== undefined) want.status = status;
  if (output !== undefined) want.output = { $exact: output };
  if (!error) return want;
  want.error = { class: error.name, ...error };
  delete want.error.code;
  const escaped = error.message.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  if (error.code && error.class === undefined) want.error.class = "Error";
  if (/^(Type|Range|Syntax)Error$/.test(error.name)) delete want.error.message;
  else if (error.code) want.error.message = { $regex: `^${escaped}` }; // the SDK appends a hint to a socket's error
  else if (row.reply) want.error.message = { $regex: `^${escaped.replace(/\d{5,}/g, "\\d+")}` };
  return want;
}

// Every answer and every error carries the request id of the answer; `always` in the table says so once.
function expectation(row) {
  const want = merge(merge(merge(merge({ result: asStream(row.operation) ? "stream ended" : "answer" }, observedExpectation(row)), row.expect ?? {}), row.js ?? {}), http2 ? row.js_h2 ?? {} : {});
  return row.as ? want : { result: want.result, ...merge(table.always[want.result], want) };
}
function expectedEntry(row) {
  const model = serviceOf(row) === runtime && !row.no_model ? { model: row.model ?? table.model } : {};
  return merge(merge(merge(merge(table.journal, { operation: row.operation, ...model }), row.journal ?? {}), row.journal_js ?? {}), { http: http2 && speaksHttp2.includes(serviceOf(row)) ? "2" : "1.1" });
}

async function journal(adminUrl, since, atLeast) {
  const found = await admin(adminUrl, `/journal?since=${since}&count=${Math.max(atLeast, 1)}&timeout_ms=${atLeast > 0 ? 5000 : 100}`);
  return found.entries;
}

// Nothing that opens doors may stand in a journal.
function leak(row, entry) {
  const text = JSON.stringify(entry), { bearer, credentials } = row.client ?? {};
  const secrets = [bearer, credentials?.sessionToken, credentials?.secretAccessKey, table.credentials.secretAccessKey];
  const seen = secrets.some((secret) => secret && text.includes(secret)) || /Signature=[0-9a-f]{64}/.test(text);
  return seen ? "journal: it holds a secret" : null;
}

function judgeJournal(row, want, entries) {
  if (entries.length !== want.requests) return `requests: expected ${want.requests}, the journal has ${entries.length}`;
  for (const entry of entries) {
    const why = mismatch(expectedEntry(row), entry, "journal") ?? leak(row, entry);
    if (why) return why;
  }
  const pauses = row.as ? (observed.get(row.as).js.waited_ms ?? []) : [];
  for (const [i, ms] of pauses.entries()) {
    const waited = (entries[i + 1].received_at_ns - entries[i].received_at_ns) / 1e6;
    if (waited < ms * 0.85) return `waited ${waited} ms before try ${i + 2}, expected about ${ms} ms`;
  }
  return null;
}

function judgeLog(row, path) {
  if (!row.log) return null;
  const lines = readFileSync(path, "utf8").split("\n").filter((line) => new RegExp(row.log).test(line));
  return lines.length >= 1 ? null : `the mock's log has no line like /${row.log}/`;
}

const sweepOf = (row) => {
  if (!row.sweep) return [row.faults];
  const { from, to, step = 1, parameter = "at_byte", ...fault } = row.sweep;
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => [{ ...fault, [parameter]: from + i * step }]);
};

// The calls that come before the row's own, by the same SDK; each must be answered.
async function prepare(row, adminUrl, url) {
  for (const step of row.before ?? []) {
    const earlier = { name: row.name, input: {}, ...step };
    const client = makeClient(earlier, url);
    const got = await call(earlier, client);
    client.destroy();
    if (got.result !== "answer") throw new Error(`before: ${step.operation}: ${JSON.stringify(got)}`);
  }
  if (row.clock) await admin(adminUrl, "/clock", row.clock);
}

async function attempt(row, faults) {
  const where = (row.on ?? "lenient").toUpperCase();
  const adminUrl = env[`${where}_ADMIN`];
  await admin(adminUrl, "/reset", {});
  await prepare(row, adminUrl, env[where]);
  const since = (await admin(adminUrl, "/journal")).next;
  await admin(adminUrl, "/script", { replies: script(row), ...(row.canaries ? { canaries: row.canaries } : {}) });
  if (faults) await admin(adminUrl, "/faults", { faults });
  const client = makeClient(row, env[where]);
  const want = { requests: 1, ...expectation(row) };
  const got = await call(row, client);
  client.destroy();
  const entries = await journal(adminUrl, since, want.requests);
  const { requests, ...rest } = want;
  const detail = env.VERBOSE ? ` [${JSON.stringify(got)} ${JSON.stringify(entries)}]` : "";
  const why = mismatch(rest, got) ?? judgeJournal(row, want, entries) ?? judgeLog(row, env[`${where}_LOG`]);
  return why ? why + detail : null;
}

async function run(row) {
  for (const faults of sweepOf(row)) {
    const why = await attempt(row, faults).catch((e) => `${e.name}: ${e.message}`);
    if (why) return faults && row.sweep ? `${JSON.stringify(faults)}: ${why}` : why;
  }
  return null;
}

// A row for several operations is as many rows.
const rows = table.rows.flatMap((row) => (Array.isArray(row.operation)
  ? row.operation.map((operation) => ({ ...row, operation, name: `${row.name}/${operation}` }))
  : [{ ...row, operation: row.operation ?? observed.get(row.as)?.operation ?? "Converse" }]));

const wanted = process.argv.slice(2);
for (const row of rows) {
  if ((row.only && ![row.only].flat().includes("js")) || (wanted.length && !wanted.some((w) => row.name.startsWith(w)))) continue;
  const why = await run(row);
  console.log(why ? `not ok ${self} ${row.name}: ${why.replace(/\s+/g, " ")}` : `ok ${self} ${row.name}`);
}
