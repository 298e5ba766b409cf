// capture_bidi.mjs: one InvokeModelWithBidirectionalStream of the AWS SDK for JavaScript, with its default handler, as it
// stands on the wire: the entry `capture/js-bidirectional` of fixtures/vectors/sigv4-keys.json.
//
// Credentials are the examples of AWS's documentation, the clock is ours: it stands still but for a second and some
// before each event, and passes midnight on the way, since the day is part of each event's scope. Only the invocation
// id differs from run to run. INTEROP: where setup.sh has put the packages. Prints the entry as JSON.
//
//   INTEROP=build/interop node tests/interop/capture_bidi.mjs
import { createRequire } from "node:module";
import { createServer } from "node:http2";
import { join } from "node:path";

const sdk = createRequire(join(process.env.INTEROP, "js", "package.json"));
const { BedrockRuntimeClient, InvokeModelWithBidirectionalStreamCommand } = sdk("@aws-sdk/client-bedrock-runtime");
const { version } = sdk("@aws-sdk/client-bedrock-runtime/package.json");

const RealDate = Date;
let clock = RealDate.UTC(2026, 0, 1, 23, 59, 57, 250);
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length ? args : [clock]));
  }
  static now() {
    return clock;
  }
};

const promptName = "p";
const events = [
  { sessionStart: { inferenceConfiguration: { maxTokens: 1024, topP: 0.9, temperature: 0.7 } } },
  { promptStart: { promptName, textOutputConfiguration: { mediaType: "text/plain" } } },
  { contentStart: { promptName, contentName: "u", type: "TEXT", role: "USER", interactive: true } },
  { textInput: { promptName, contentName: "u", content: "Grüße, 世界" } },
  { contentEnd: { promptName, contentName: "u" } },
  { sessionEnd: {} },
];
async function* input() {
  for (const event of events) {
    clock += 1001;
    yield { chunk: { bytes: new TextEncoder().encode(JSON.stringify({ event })) } };
  }
}

const server = createServer().listen(0, "127.0.0.1");
const caught = new Promise((resolve) =>
  server.on("stream", (stream, headers, flags, raw) => {
    const parts = [];
    stream.on("data", (part) => parts.push(part));
    stream.on("end", () => {
      stream.respond({ ":status": 200, "content-type": "application/vnd.amazon.eventstream" });
      stream.end();
      const fields = [];
      for (let i = 0; i < raw.length; i += 2) fields.push([raw[i], raw[i + 1]]);
      resolve({ fields, body: Buffer.concat(parts) });
    });
  }),
);
await new Promise((resolve) => server.once("listening", resolve));
const client = new BedrockRuntimeClient({
  endpoint: `http://127.0.0.1:${server.address().port}`,
  region: "us-east-1",
  maxAttempts: 1,
  credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
});
const answered = client
  .send(new InvokeModelWithBidirectionalStreamCommand({ modelId: "amazon.nova-2-sonic-v1:0", body: input() }))
  .then(async ({ body }) => { for await (const event of body) void event; })
  .catch(() => {}); // it is answered with nothing, which newer SDKs call an error
const { fields, body } = await caught;
await answered;
client.destroy();
server.close();

const pseudo = (name) => fields.find(([n]) => n === name)[1];
console.log(
  JSON.stringify({
    name: "capture/js-bidirectional",
    source: `@aws-sdk/client-bedrock-runtime ${version}`,
    request: {
      method: pseudo(":method"),
      path: pseudo(":path"),
      headers: fields.filter(([n]) => n === ":authority" || !n.startsWith(":")),
    },
    body_hex: body.toString("hex"),
  }),
);
