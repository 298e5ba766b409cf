// client_bidi.mjs: InvokeModelWithBidirectionalStream with the AWS SDK for JavaScript and its default handler (HTTP/2).
//
// As an application would: the events are an async generator, which sends the next one when the answer to the last one
// has come, so a mock (or a gateway) that waits for the whole request before it answers hangs here and fails.
//
// Starts nothing. LENIENT, LENIENT_ADMIN, STRICT, STRICT_ADMIN, STRICT_LOG: as for client_js.mjs; TLS and TLS_CA: a mock
// that speaks TLS and the file to trust, or unset. Prints `ok name` or `not ok name: why`.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";

const env = process.env;
const sdk = createRequire(join(env.INTEROP, "js", "package.json"));
const bedrock = sdk("@aws-sdk/client-bedrock-runtime");
const { NodeHttpHandler } = sdk("@smithy/node-http-handler");
const modelId = "amazon.nova-2-sonic-v1:0";
const known = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

const client = (endpoint, more = {}) =>
  new bedrock.BedrockRuntimeClient({ endpoint, region: "us-east-1", credentials: known, maxAttempts: 1, ...more });

const wrap = (event) => ({ chunk: { bytes: new TextEncoder().encode(JSON.stringify({ event })) } });
const promptName = "p", audioName = "a";
const pcm = (ms, loud = true) => {
  const b = Buffer.alloc(ms * 32);
  for (let i = 0; loud && i < b.length; i += 2) b.writeInt16LE(i % 64 < 32 ? 8000 : -8000, i);
  return b.toString("base64");
};
const audioIn = { mediaType: "audio/lpcm", sampleRateHertz: 16000, sampleSizeBits: 16, channelCount: 1, encoding: "base64" };
const session = { sessionStart: { inferenceConfiguration: { maxTokens: 1024, topP: 0.9, temperature: 0.7 } } };
const prompt = (more = {}) => ({
  promptStart: {
    promptName,
    textOutputConfiguration: { mediaType: "text/plain" },
    audioOutputConfiguration: { ...audioIn, sampleRateHertz: 24000, voiceId: "matthew", audioType: "SPEECH" },
    ...more,
  },
});
const content = (contentName, type, role, more = {}) => ({ contentStart: { promptName, contentName, type, role, interactive: true, ...more } });
const text = (contentName, words) => ({ textInput: { promptName, contentName, content: words } });
const audio = (ms, loud) => ({ audioInput: { promptName, contentName: audioName, content: pcm(ms, loud) } });
const end = (contentName) => ({ contentEnd: { promptName, contentName } });
const promptEnd = { promptEnd: { promptName } }, sessionEnd = { sessionEnd: {} };
const opening = (more) => [session, prompt(more), content("s", "TEXT", "SYSTEM"), text("s", "Be brief."), end("s")];
const listening = content(audioName, "AUDIO", "USER", { audioInputConfiguration: audioIn });

// A conversation: send() and, in between, until(name). What came is in `got`, in order, with what was sent by then.
class Talk {
  constructor() {
    this.queue = [];
    this.got = [];
    this.sent = 0;
    this.waiters = [];
  }
  send(...events) {
    this.queue.push(...events);
    this.kick?.();
  }
  close() {
    this.closed = true;
    this.kick?.();
  }
  async *input() {
    for (;;) {
      while (this.queue.length) {
        this.sent++;
        yield wrap(this.queue.shift());
      }
      if (this.closed) return;
      await new Promise((resolve) => (this.kick = resolve));
    }
  }
  // The command resolves when the first event has come (newer SDKs look at it), so nobody waits for it alone.
  begin(client, model = modelId) {
    const command = new bedrock.InvokeModelWithBidirectionalStreamCommand({ modelId: model, body: this.input() });
    this.done = (async () => {
      const answer = await client.send(command);
      for await (const frame of answer.body) {
        const { event } = JSON.parse(Buffer.from(frame.chunk.bytes).toString());
        const name = Object.keys(event)[0];
        this.got.push({ name, sent: this.sent, ...event[name] });
        this.waiters = this.waiters.filter((w) => !w());
      }
    })();
    this.done.catch((e) => (this.error = e)).finally(() => this.waiters.forEach((w) => w(true)));
    return this;
  }
  until(name, n = 1) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${name} number ${n} in 5 s; got ${this.names()}`)), 5000);
      const look = (over) => {
        const all = this.got.filter((e) => e.name === name);
        if (all.length < n && !over) return false;
        clearTimeout(timer);
        if (all.length >= n) resolve(all[n - 1]);
        else reject(new Error(`the stream ended before ${name} number ${n}: ${this.error?.message}; got ${this.names()}`));
        return true;
      };
      if (!look(this.error !== undefined)) this.waiters.push(look);
    });
  }
  names() {
    return this.got.map((e) => e.name).join(" ");
  }
}

const is = (what, got, want) => {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what} is ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);
};
const fails = async (promise) => {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  throw new Error("it did not fail");
};
const admin = async (base, method, path, body) => {
  const r = await fetch(base + path, { method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" } });
  if (!r.ok) throw new Error(`${path}: ${r.status} ${await r.text()}`);
  return r.json();
};
const last = async (base) => {
  for (let i = 0; i < 50; i++) {
    const { entries } = await admin(base, "GET", "/journal");
    const entry = entries.at(-1);
    if (entry?.delivered) return entry;
    await new Promise((r) => setTimeout(r, 20));
  }
  throw new Error("the exchange has not ended");
};

async function wholeConversation(c) {
  const talk = new Talk().begin(c);
  talk.send(...opening(), listening, audio(120));
  const first = await talk.until("usageEvent");
  is("what was sent when the first audio was answered", first.sent, 7);
  is("input tokens", first.details.delta.input.speechTokens, 3);
  talk.send(audio(120));
  await talk.until("usageEvent", 2);
  talk.send(end(audioName));
  await talk.until("completionEnd");
  talk.send(promptEnd, sessionEnd);
  talk.close();
  await talk.done;
  const shape = talk.got.map((e) => [e.name, e.type, e.role, e.stopReason].filter(Boolean).join(":")).filter((n, i, a) => n !== a[i - 1]);
  is("the answer", shape, [
    "completionStart", "usageEvent", "contentStart:TEXT:USER", "textOutput:USER", "contentEnd:TEXT:PARTIAL_TURN",
    "contentStart:TEXT:ASSISTANT", "textOutput:ASSISTANT", "contentEnd:TEXT:PARTIAL_TURN", "contentStart:AUDIO:ASSISTANT",
    "audioOutput", "contentEnd:AUDIO:PARTIAL_TURN", "contentStart:TEXT:ASSISTANT", "textOutput:ASSISTANT",
    "contentEnd:TEXT:END_TURN", "usageEvent", "completionEnd:END_TURN",
  ]);
  is("the transcript", talk.got.find((e) => e.name === "textOutput").content, "(audio of 240 ms)");
  const samples = talk.got.filter((e) => e.name === "audioOutput").reduce((n, e) => n + Buffer.from(e.content, "base64").length / 2, 0);
  is("whole parts of 40 ms", samples % 960, 0);
}

const tools = { toolConfiguration: { tools: [{ toolSpec: { name: "getWeather", description: "w", inputSchema: { json: JSON.stringify({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }) } } }] } };

const trials = {
  "a whole conversation, the answer to the first audio before the second": async () => {
    await wholeConversation(client(env.STRICT));
    const { bidirectional } = await last(env.STRICT_ADMIN);
    is("the signatures", bidirectional.signatures, { verdict: "valid", frames: 11, valid: 11, ended: false });
    is("the audio in the journal", bidirectional.input[6], { event: "audioInput", count: 2, bytes: bidirectional.input[6].bytes });
  },
  "the same over TLS": async () => {
    if (!env.TLS) throw new Error("no mock speaks TLS");
    await wholeConversation(client(env.TLS));
  },
  "speech and then silence end a turn, and the next one follows": async () => {
    const talk = new Talk().begin(client(env.STRICT));
    talk.send(...opening(), listening, audio(300), audio(1600, false));
    await talk.until("contentEnd", 4);
    talk.send(audio(200), audio(1600, false));
    await talk.until("contentEnd", 8);
    talk.send(end(audioName), promptEnd, sessionEnd);
    talk.close();
    await talk.done;
    is("transcripts", talk.got.filter((e) => e.role === "USER" && e.content).map((e) => e.content), ["(audio of 1900 ms)", "(audio of 1800 ms)"]);
    is("completions", talk.got.filter((e) => e.name === "completionEnd").length, 1);
  },
  "a tool is called and its answer spoken": async () => {
    const talk = new Talk().begin(client(env.STRICT));
    talk.send(...opening(tools), content("u", "TEXT", "USER"), text("u", "call getWeather"), end("u"));
    const use = await talk.until("toolUse");
    is("the tool", [use.toolName, typeof JSON.parse(use.content).city], ["getWeather", "string"]);
    const result = { type: "TEXT", toolUseId: use.toolUseId, textInputConfiguration: { mediaType: "text/plain" } };
    talk.send(content("t", "TOOL", "TOOL", { toolResultInputConfiguration: result }));
    talk.send({ toolResult: { promptName, contentName: "t", content: '{"sky":"blue"}' } }, end("t"));
    await talk.until("completionEnd");
    talk.send(promptEnd, sessionEnd);
    talk.close();
    await talk.done;
    is("the words", talk.got.filter((e) => e.role === "ASSISTANT" && e.content)[0].content, 'The tool answered: {"sky":"blue"}');
    is("the stop", talk.got.find((e) => e.type === "TOOL" && e.stopReason).stopReason, "TOOL_USE");
  },
  "a script answers event by event": async () => {
    const say = (words) => ({ chunk: { event: { textOutput: { content: words } } } });
    const reply = { bidirectional: { steps: [
      { on: "start", frames: [say("hello")] },
      { on: "audioInput", nth: 2, frames: [say("second"), { ...say("later"), after_ms: 30 }] },
      { on: "sessionEnd", frames: [{ exception: "modelStreamErrorException", payload: { message: "enough" } }] },
    ] } };
    await admin(env.STRICT_ADMIN, "POST", "/script", { replies: [{ reply }] });
    const talk = new Talk().begin(client(env.STRICT));
    await talk.until("textOutput");
    talk.send(session, prompt(), listening, audio(10), audio(10));
    const third = await talk.until("textOutput", 3);
    is("the ids", [third.promptName, third.sessionId.length], [promptName, 36]);
    talk.send(sessionEnd);
    const e = await fails(talk.done);
    is("the end", [e.name, e.message], ["ModelStreamErrorException", "enough"]);
    is("the words", talk.got.map((g) => g.content), ["hello", "second", "later"]);
  },
  "the model's words are scripted": async () => {
    await admin(env.STRICT_ADMIN, "POST", "/script", { replies: [{ reply: { bidirectional: { heard: ["good morning"], said: ["good night"] } } }] });
    const talk = new Talk().begin(client(env.STRICT));
    talk.send(...opening(), listening, audio(50), end(audioName));
    await talk.until("completionEnd");
    talk.send(sessionEnd);
    await talk.done;
    talk.close();
    is("the words", talk.got.filter((e) => e.name === "textOutput").map((e) => e.content), ["good morning", "good night", "good night"]);
  },
  "events out of order are a ValidationException": async () => {
    for (const [events, want] of [
      [[prompt()], /sessionStart must be the first/],
      [[session, session], /started already/],
      [[session, listening], /promptStart must be before/],
      [[session, prompt(), audio(10)], /no content "a" is open/],
      [[session, prompt(), content("x", "SMELL", "USER")], /type must be TEXT, AUDIO or TOOL/],
      [[session, { promptBegin: {} }], /no event of the client is called that/],
    ]) {
      const talk = new Talk().begin(client(env.STRICT));
      talk.send(...events);
      const e = await fails(talk.done);
      talk.close();
      if (e.name !== "ValidationException" || !want.test(e.message)) throw new Error(`${JSON.stringify(events.at(-1))}: ${e.name}: ${e.message}`);
    }
  },
  "a fault falls on its event": async () => {
    const fault = { id: "stream-throttlingException", at_event: 3, message: "slower" };
    await admin(env.STRICT_ADMIN, "POST", "/script", { replies: [{ reply: { faults: [fault] } }] });
    const talk = new Talk().begin(client(env.STRICT));
    talk.send(...opening(), listening, audio(10), audio(10), audio(10), audio(10));
    const e = await fails(talk.done);
    talk.close();
    is("the end", [e.name, e.message, talk.got.length], ["ThrottlingException", "slower", 3]);
  },
  "every exception of the stream is the SDK's own": async () => {
    for (const name of ["InternalServerException", "ModelStreamErrorException", "ModelTimeoutException", "ServiceUnavailableException", "ThrottlingException", "ValidationException"]) {
      const exception = name[0].toLowerCase() + name.slice(1);
      const more = name === "ModelStreamErrorException" ? { originalStatusCode: 424, originalMessage: "deep down" } : {};
      const steps = [{ on: "audioInput", nth: 2, frames: [{ chunk: { event: { textOutput: { content: "last" } } } }, { exception, payload: { message: `about ${name}`, ...more } }] }];
      await admin(env.STRICT_ADMIN, "POST", "/script", { replies: [{ reply: { bidirectional: { steps } } }] });
      const talk = new Talk().begin(client(env.STRICT));
      talk.send(...opening(), listening, audio(10), audio(10));
      const e = await fails(talk.done);
      talk.close();
      is(`the end by ${name}`, [e.name, e.message, e instanceof bedrock[name], talk.got.length], [name, `about ${name}`, true, 1]);
      for (const key of Object.keys(more)) is(key, e[key], more[key]);
    }
  },
  "a script may end the stream before the client does": async () => {
    const steps = [{ on: "promptStart", end: true, frames: [{ chunk: { event: { textOutput: { content: "bye" } } } }] }];
    await admin(env.STRICT_ADMIN, "POST", "/script", { replies: [{ reply: { bidirectional: { steps } } }] });
    const talk = new Talk().begin(client(env.STRICT));
    talk.send(session, prompt());
    await talk.done;
    talk.close();
    is("the words", talk.got.map((g) => g.content), ["bye"]);
  },
  "a cut is seen": async () => {
    await admin(env.STRICT_ADMIN, "POST", "/script", { replies: [{ reply: { faults: [{ id: "cut-rst", at_event: 2 }] } }] });
    const talk = new Talk().begin(client(env.STRICT));
    talk.send(...opening(), listening, audio(10), audio(10), audio(10));
    await fails(talk.done);
    talk.close();
    is("what came", talk.got.length <= 2, true);
  },
  "an error before the stream is the command's": async () => {
    await admin(env.STRICT_ADMIN, "POST", "/script", { replies: [{ reply: { error: { type: "ThrottlingException", message: "later" } } }] });
    const talk = new Talk().begin(client(env.STRICT));
    const e = await fails(talk.done);
    talk.close();
    is("the error", [e.name, e.message, e.$metadata.httpStatusCode], ["ThrottlingException", "later", 429]);
  },
  "another secret is refused, and the log says so": async () => {
    const talk = new Talk().begin(client(env.STRICT, { credentials: { ...known, secretAccessKey: "no" } }));
    const e = await fails(talk.done);
    talk.close();
    is("the error", [e.name, e.$metadata.httpStatusCode], ["InvalidSignatureException", 403]);
  },
  "HTTP/1.1 is told that it takes HTTP/2": async () => {
    const talk = new Talk().begin(client(env.STRICT, { requestHandler: new NodeHttpHandler() }));
    talk.send(session);
    const e = await fails(talk.done);
    talk.close();
    if (e.$metadata?.httpStatusCode !== 505 || !/HTTP\/2/.test(e.message)) throw new Error(`${e.$metadata?.httpStatusCode} ${e.message}`);
  },
};

const wanted = process.argv.slice(2);
for (const [name, run] of Object.entries(trials)) {
  if (wanted.length && !wanted.some((w) => name.startsWith(w))) continue;
  if (name.includes("TLS") && !env.TLS) continue;
  try {
    await run();
    console.log(`ok js-bidi ${name}`);
  } catch (e) {
    console.log(`not ok js-bidi ${name}: ${e.message.replace(/\n/g, " ")}`);
    if (env.VERBOSE) console.log(e.stack);
  }
}
process.exit(0);
