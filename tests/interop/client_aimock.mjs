// client_aimock.mjs: is `mohs mock import` right? The fixtures of aimock/fixtures.json, in aimock's own form and with each of its
// features, are served by the real aimock and, imported, by `mohs mock`; both are asked the same, over Converse and over
// ConverseStream, and must give the same text, reasoning, tool calls, stop reason, error and (where the file states it) usage.
// What Bedrock does and aimock does not (error types, a stream without the empty contentBlockStart, reasons to refuse a
// request) is not compared: it is why one would import.
//
// Prints `ok aimock NAME` or `not ok aimock NAME: why`. MOHS, INTEROP as in run.sh; arguments: the beginnings of names.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const { MOHS, INTEROP } = process.env;
const work = mkdtempSync(join(tmpdir(), "mohs-aimock-"));
const haiku = "anthropic.claude-3-haiku-20240307-v1:0";

// ---- the rows ----

const say = (text) => ({ role: "user", content: [{ text }] });
const said = (text) => ({ role: "assistant", content: [{ text }] });
const tools = { tools: [{ toolSpec: { name: "get_weather", inputSchema: { json: { type: "object" } } } }] };
const called = (id) => ({ role: "assistant", content: [{ toolUse: { toolUseId: id, name: "get_weather", input: {} } }] });
const result = (id, text) => ({ role: "user", content: [{ toolResult: { toolUseId: id, content: [{ text }] } }] });
const ask = (...messages) => ({ messages: messages.map((m) => (typeof m === "string" ? say(m) : m)) });

// [name, request, what the answer must hold whoever gives it, more]: so that two that fail alike are no pass.
const rows = [
  ["text", ask("plain"), { text: 'A plain answer, with ünïcödé and "quotes".', stop: "end_turn" }],
  ["text/last-question", ask("as json", said("x"), "plain"), { text: /^A plain/ }],
  ["text/contained", ask("be plain, please"), { text: /^A plain/ }],
  ["text/from-json", ask("as json"), { text: '{"a":[1,"zwei",null],"b":{"c":true}}' }],
  ["text/chunk-size", ask("cut small"), { text: "0123456789abcdefghij!" }, { deltas: true }],
  ["usage/openai", ask("counted"), { usage: { inputTokens: 11, outputTokens: 7, totalTokens: 18 } }],
  ["usage/claude", ask("tokens of Claude"), { usage: { inputTokens: 21, outputTokens: 3, totalTokens: 24 } }],
  ["order/first-wins", ask("counted as Claude does"), { text: "counted" }],
  ["stop/stop", ask("stops by itself"), { stop: "end_turn" }],
  ["stop/length", ask("runs out"), { stop: "max_tokens" }],
  ["reasoning", ask("think first"), { reasoning: "six times seven", text: "forty-two" }],
  ["system/one", { system: [{ text: "You are a pirate." }], ...ask("who are you") }, { text: "Arr" }],
  ["system/all-of-list", { system: [{ text: "You are a poet" }, { text: "and speak in rhyme" }], ...ask("who are you") }, { text: "a rhyme" }],
  ["system/one-of-list-missing", { system: [{ text: "You are a poet" }], ...ask("who are you") }, { text: "nobody" }],
  ["tools/call", { toolConfig: tools, ...ask("weather") }, { stop: "tool_use", tools: [["call_paris", "get_weather", { city: "Paris", days: [1, 2] }]] }],
  ["tools/result-by-id", { toolConfig: tools, ...ask("weather", called("call_paris"), result("call_paris", "rain all day")) }, { text: "Take an umbrella." }],
  ["tools/result-of-another-text", { toolConfig: tools, ...ask("weather", called("call_paris"), result("call_paris", "sun")) }, { text: "It is as the tool says." }],
  ["tools/text-and-two-calls", { toolConfig: tools, ...ask("two tools") },
    { text: "I ask twice.", stop: "tool_use", tools: [["c1", "get_weather", { city: "A" }], ["c2", "get_weather", {}]] }],
  ["tools/blocks-in-order", { toolConfig: tools, ...ask("in order") }, { order: "tool text", tools: [["b1", "get_weather", { city: "B" }]] }],
  ["sequence/0", ask("again"), { text: "first time" }, { once: "converse" }],
  ["sequence/1", ask("again"), { text: "second time" }, { once: "converse" }],
  ["sequence/2", ask("again"), { text: "as always" }, { once: "converse" }],
  ["turn/0", ask("step"), { text: "turn zero" }],
  ["turn/1-between", ask("step", said("a"), "step"), { text: "turn zero" }],
  ["turn/2", ask("step", said("a"), "step", said("b"), "step"), { text: "turn two" }],
  ["turn/3-beyond", ask("step", said("a"), "step", said("b"), "step", said("c"), "step"), { text: "turn two" }],
  ["turn/only-one-is-no-gate", ask("lonely"), { text: "the only one" }],
  ["turn/fallback-before", ask("later"), { text: "before that" }],
  ["turn/over-fallback", ask("x", said("a"), "later"), { text: "from one on" }],
  ["model/prefix", ask("which model"), { text: "haiku" }],
  ["model/with-colon", ask("which model"), { text: /^nova/ }, { model: "amazon.nova-lite-v1:0" }],
  ["model/other", ask("which model"), { text: "another" }, { model: "amazon.nova-pro-v1:0" }],
  ["context/a", ask("where"), { text: "at a's" }, { headers: { "x-aimock-context": "tenant-a" } }],
  ["context/none", ask("where"), { text: "anywhere" }],
  ["error/429", ask("too fast"), { status: 429, error: "slow down", retryAfter: "7" }],
  ["error/403", ask("not you"), { status: 403, error: "not for you" }],
  ["error/no-status", ask("broken"), { status: 500, error: "it broke" }],
  ["miss", ask("a question that no fixture knows"), { refused: true }, { only: ["refused"] }],
  ["time/latency", ask("paced"), { text: "0123456789" }, { once: "converse-stream", least: 9 * 30, deltas: true }],
  ["time/profile", ask("profiled"), { text: "0123456789" }, { once: "converse-stream", least: 100 + 9 * 20, deltas: true }],
  ["time/recorded", ask("recorded"), { text: "abc" }, { once: "converse-stream", least: 50 + 2 * 40, deltas: true }],
  ["cut/in-stream", ask("cut off"), { broken: true, text: "012" }, { once: "converse-stream" }],
  ["cut/at-once", ask("cut at once"), { broken: true, text: "" }, { once: "converse-stream", only: ["broken", "text"] }],
  ["cut/not-unary", ask("cut off"), { text: "0123456789" }, { once: "converse" }],
  ["chaos/drop", ask("dropped"), { status: 500, refused: true }, { only: ["status", "refused"] }],
  ["chaos/rate-limit", ask("limited"), { status: 429, refused: true }, { only: ["status", "refused"] }],
  ["chaos/disconnect", ask("hung up"), { broken: true, text: "" }],
  ["chaos/malformed", ask("garbled"), { garbled: true }, { once: "converse", only: ["garbled"] }],
  ["chaos/latency", ask("slow to begin"), { text: "at last" }, { least: 150 }],
];

// What cannot be carried over, as docs/fixtures.md says.
const lost = [/\/fixtures\/\d+\/match\/responseFormat: /, /\/fixtures\/\d+\/match\/endpoint: .*left out/, /\/fixtures\/\d+\/response\/image: .*left out/, /\/recordedTimings: .*mean/];

// ---- the servers ----

const children = [];
const leave = (code) => {
  for (const c of children) c.kill();
  rmSync(work, { recursive: true, force: true });
  process.exit(code);
};
const give_up = (why) => {
  console.log(`not ok aimock ${why}`);
  leave(0);
};
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => leave(130));

const free_port = () =>
  new Promise((resolve) => {
    const s = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });

async function serve(name, command, args) {
  const port = await free_port();
  const child = spawn(command, [...args, "--port", String(port)], { stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  children.push(child);
  child.stderr.on("data", (d) => (words = (words + d).slice(-2000)));
  for (let i = 0; i < 200; i++) {
    const up = await new Promise((resolve) => {
      const s = net.connect(port, "127.0.0.1", () => (s.destroy(), resolve(true))).on("error", () => resolve(false));
    });
    if (up) return port;
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return give_up(`server: ${name} did not start: ${words.trim().split("\n").pop()}`);
}

// ---- one question ----

const post = (port, operation, body, { model = haiku, headers = {} }) =>
  new Promise((resolve) => {
    const began = Date.now();
    const out = { status: 0, headers: {}, bytes: Buffer.alloc(0), broken: true, ms: 0 };
    const done = () => resolve({ ...out, ms: Date.now() - began });
    const options = { host: "127.0.0.1", port, method: "POST", path: `/model/${encodeURIComponent(model)}/${operation}`, agent: false, timeout: 20000 };
    const req = http.request({ ...options, headers: { "content-type": "application/json", ...headers } }, (res) => {
      Object.assign(out, { status: res.statusCode, headers: res.headers });
      res.on("data", (d) => (out.bytes = Buffer.concat([out.bytes, d])));
      res.on("error", () => {});
      res.on("close", () => ((out.broken = !res.complete), done()));
    });
    req.on("timeout", () => req.destroy());
    req.on("error", () => out.status === 0 && done());
    req.end(JSON.stringify(body));
  });

function add_block(of, block) {
  const { text, reasoningContent, toolUse } = block;
  if (text !== undefined) of.text += text;
  else if (reasoningContent?.reasoningText) of.reasoning += reasoningContent.reasoningText.text;
  else if (toolUse) of.tools.push([toolUse.toolUseId, toolUse.name, toolUse.input]);
  of.order.push(text !== undefined ? "text" : toolUse ? "tool" : "reasoning");
}

function from_unary(bytes, of) {
  const body = JSON.parse(bytes);
  for (const b of body.output.message.content) add_block(of, b);
  Object.assign(of, { stop: body.stopReason, usage: body.usage });
}

// Frames, whose checksums `mohs frames` has looked at: total length, length of headers, a CRC; headers; payload; a CRC.
function* frames(bytes, of) {
  const file = join(work, "stream.bin");
  writeFileSync(file, bytes);
  const seen = spawnSync(MOHS, ["frames", file], { encoding: "utf8" });
  if (bytes.length > 0 && seen.status !== 0) of.frames = seen.stderr.trim();
  for (let at = 0; !of.frames && at < bytes.length; at += bytes.readUInt32BE(at)) {
    const payload = at + 12 + bytes.readUInt32BE(at + 4);
    const type = /:event-type\x07..([A-Za-z]+)/s.exec(bytes.toString("latin1", at + 12, payload));
    yield [type?.[1], JSON.parse(bytes.toString("utf8", payload, at + bytes.readUInt32BE(at) - 4))];
  }
}

function from_stream(bytes, of) {
  const blocks = [];
  for (const [type, e] of frames(bytes, of)) {
    const at = e.contentBlockIndex;
    if (type === "contentBlockStart" && e.start.toolUse) blocks[at] = { toolUse: { ...e.start.toolUse, input: "" } };
    else if (type === "messageStop") of.stop = e.stopReason;
    else if (type === "metadata") of.usage = e.usage;
    if (type !== "contentBlockDelta") continue;
    if (e.delta.text !== undefined) {
      of.deltas.push(e.delta.text);
      blocks[at] = { text: (blocks[at]?.text ?? "") + e.delta.text };
    } else if (e.delta.toolUse) blocks[at].toolUse.input += e.delta.toolUse.input;
    else if (e.delta.reasoningContent?.text !== undefined)
      blocks[at] = { reasoningContent: { reasoningText: { text: (blocks[at]?.reasoningContent.reasoningText.text ?? "") + e.delta.reasoningContent.text } } };
  }
  for (const b of blocks) {
    if (b?.toolUse) b.toolUse.input = JSON.parse(b.toolUse.input || "{}");
    if (b) add_block(of, b);
  }
}

async function outcome(port, operation, body, more) {
  const reply = await post(port, operation, body, more);
  const of = { status: reply.status, broken: reply.broken, refused: reply.status >= 400, text: "", reasoning: "", tools: [], order: [], deltas: [], ms: reply.ms };
  try {
    if (of.refused) {
      const e = JSON.parse(reply.bytes);
      Object.assign(of, { error: e.error?.message ?? e.message ?? e.Message, retryAfter: reply.headers["retry-after"] });
    } else if (reply.status === 200 && operation === "converse") from_unary(reply.bytes, of);
    else if (reply.status === 200) from_stream(reply.bytes, of);
  } catch {
    of.garbled = true;
  }
  of.order = of.order.join(" ");
  return of;
}

// ---- judging ----

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const holds = (is, want) => (want instanceof RegExp ? want.test(is) : same(is, want));

function judge(theirs, ours, want, more) {
  for (const [who, of] of [["aimock", theirs], ["mohs", ours]]) {
    for (const [k, v] of Object.entries(want)) if (!holds(of[k], v)) return `${who} gave ${k} ${JSON.stringify(of[k])}, not ${v instanceof RegExp ? v : JSON.stringify(v)}`;
    if (more.least !== undefined && of.ms < more.least - 10) return `${who} took ${of.ms} ms, which is less than ${more.least}`;
    if (of.frames) return `${who}: ${of.frames}`;
  }
  const compared = more.only ?? ["status", "broken", "text", "reasoning", "tools", "order", "stop", "error", "garbled", ...(more.deltas ? ["deltas"] : [])];
  const k = compared.find((name) => !same(theirs[name], ours[name]));
  return k && `${k}: aimock ${JSON.stringify(theirs[k])}, mohs ${JSON.stringify(ours[k])}`;
}

const wanted = process.argv.slice(2);
const tell = (name, why) => console.log(why ? `not ok aimock ${name}: ${why}` : `ok aimock ${name}`);

async function main() {
  const theirs_file = join(here, "aimock", "fixtures.json"), ours_file = join(work, "ours.json");
  const imported = spawnSync(MOHS, ["mock", "import", "--quiet", "-o", ours_file, theirs_file], { encoding: "utf8" });
  const lines = imported.stderr.split("\n").filter((l) => l.startsWith("lost:"));
  const untold = lost.filter((r) => !lines.some((l) => r.test(l))), more = lines.filter((l) => !lost.some((r) => r.test(l)));
  tell("import", imported.status !== 1 ? `exit ${imported.status}: ${imported.stderr}` : untold.length + more.length > 0 ? `not told: ${untold}; not foreseen: ${more}` : "");
  const folder = join(INTEROP, "aimock/node_modules/@copilotkit/aimock");
  const aimock = await serve("aimock", process.execPath, [join(folder, "dist/cli.js"), "--fixtures", theirs_file, "--log-level", "silent"]);
  const mohs = await serve("mohs", MOHS, ["mock", "--admin-port", "off", "--auth", "none", "--strict", "--fixtures", ours_file]);
  for (const [name, body, want, more = {}] of rows)
    for (const operation of more.once ? [more.once] : ["converse", "converse-stream"]) {
      const full = `${name}${more.once ? "" : operation === "converse" ? "/unary" : "/stream"}`;
      if (wanted.length && !wanted.some((w) => full.startsWith(w))) continue;
      tell(full, judge(await outcome(aimock, operation, body, more), await outcome(mohs, operation, body, more), want, more));
    }
  tell("version", JSON.parse(readFileSync(join(folder, "package.json"))).version === JSON.parse(readFileSync(join(here, "aimock/package.json"))).dependencies["@copilotkit/aimock"] ? "" : "it is not the pinned one");
  leave(0);
}
main().catch((e) => give_up(`client: ${e.stack}`));
