// driver_bidi.mjs: the AWS SDK for JavaScript as a driver (README.md, "Drivers") of InvokeModelWithBidirectionalStream, with
// its default handler, which speaks HTTP/2: the steps of a row of bidi.json. The other operations are client_js.mjs's.
//
// As an application would: the events are an async generator, which gives the next one when the answer to the last one
// has come, so a mock (or a gateway) that waits for the whole request before it answers hangs here and fails.
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const sdk = createRequire(join(process.env.INTEROP, "js", "package.json"));
const { BedrockRuntimeClient, InvokeModelWithBidirectionalStreamCommand } = sdk("@aws-sdk/client-bedrock-runtime");
const { NodeHttpHandler } = sdk("@smithy/node-http-handler");
const quiet = Object.fromEntries(["trace", "debug", "info", "warn", "error"].map((level) => [level, () => {}]));
const patience = 5000; // ms for an answer that is waited for, and for the end

class Talk {
  constructor() {
    Object.assign(this, { queue: [], events: [], counts: {}, sent: 0, toolUseId: "", changed: () => {}, kick: () => {} });
  }
  async *input() {
    for (;;) {
      while (this.queue.length) {
        this.sent++;
        yield { chunk: { bytes: new TextEncoder().encode(this.queue.shift().replace("$toolUseId", this.toolUseId)) } };
      }
      if (this.ended) return;
      await new Promise((resolve) => (this.kick = resolve));
    }
  }
  // The command resolves when the first event has come (newer SDKs look at it), so nobody waits for it alone.
  async listen(client, modelId, abortSignal) {
    try {
      this.answer = await client.send(new InvokeModelWithBidirectionalStreamCommand({ modelId, body: this.input() }), { abortSignal });
      for await (const frame of this.answer.body) {
        const [[kind, { bytes }]] = Object.entries(frame);
        this.events.push([kind, { bytes: { $base64: Buffer.from(bytes).toString("base64") } }, this.sent]);
        const [[name, members]] = Object.entries(JSON.parse(Buffer.from(bytes).toString()).event);
        this.counts[name] = (this.counts[name] ?? 0) + 1;
        this.toolUseId = members.toolUseId ?? this.toolUseId;
        this.changed();
      }
    } catch (e) {
      this.error = e;
    }
    this.over = true;
    this.changed();
  }
  // Whether `here` comes true before it is over.
  until(here) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), patience);
      this.changed = () => {
        if (!here() && !this.over) return;
        clearTimeout(timer);
        resolve(here());
      };
      this.changed();
    });
  }
  // What it is stuck with, if it is.
  async walk(steps, leave) {
    for (const step of steps) {
      this.queue.push(...(step.send ?? []));
      this.ended ||= step.end;
      this.kick();
      if (step.leave) return leave();
      if (step.until && !(await this.until(() => (this.counts[step.until[0]] ?? 0) >= step.until[1])))
        return `no ${step.until[0]} number ${step.until[1]}`;
    }
    return (await this.until(() => this.over)) ? undefined : "it does not end";
  }
}

const errorOf = (e) => ({
  ...Object.fromEntries(Object.entries(e).filter(([key]) => key.startsWith("original"))),
  name: e.name,
  class: e.constructor.name,
  message: e.message,
  status: e.$metadata?.httpStatusCode,
  request_id: e.$metadata?.requestId,
});

async function discuss({ url, input, client: given, dialogue, attempts }) {
  const client = new BedrockRuntimeClient({
    endpoint: url,
    region: given.region || "us-east-1",
    credentials: given.credentials,
    maxAttempts: attempts,
    logger: quiet,
    ...(given.http === 1 && { requestHandler: new NodeHttpHandler() }),
  });
  const talk = new Talk(), away = new AbortController();
  let left = false;
  const listening = talk.listen(client, input.modelId, away.signal);
  const stuck = await talk.walk(dialogue, () => ((left = true), away.abort()));
  talk.ended = true;
  talk.kick();
  away.abort();
  await listening;
  client.destroy();
  const { $metadata } = talk.answer ?? {};
  const head = { status: $metadata?.httpStatusCode, request_id: $metadata?.requestId, events: talk.events };
  if (stuck) return { ...head, result: "stuck", error: { message: stuck } };
  if (left) return { ...head, result: "left" };
  if (!talk.error) return { ...head, result: "stream ended" };
  return talk.answer ? { ...head, result: "stream broke", error: errorOf(talk.error) } : { result: "refused", error: errorOf(talk.error) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  console.log(JSON.stringify(question.list ? ["bedrock-runtime InvokeModelWithBidirectionalStream"] : await discuss(question)));
}
process.exit(0);
