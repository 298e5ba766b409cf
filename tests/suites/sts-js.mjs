// sts-js.mjs: the AWS SDK for JavaScript finds its own way to credentials, as in a pod or with a profile, and calls Bedrock.
// Environment: INTEROP (where the SDK is), MOCK (its URL), WORK (a folder to write to).
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const { INTEROP, MOCK, WORK } = process.env;
const sdk = createRequire(join(INTEROP, "js", "package.json"));
const { BedrockRuntimeClient, ConverseCommand } = sdk("@aws-sdk/client-bedrock-runtime");
const { defaultProvider } = sdk("@aws-sdk/credential-provider-node");
let failed = 0;
const claim = (what, holds, seen) => {
  if (!holds) failed++;
  console.log(holds ? `ok ${what}` : `not ok ${what}: ${seen}`);
};
const part = (tree) => Buffer.from(JSON.stringify(tree)).toString("base64url");
const converse = async (options) => {
  const client = new BedrockRuntimeClient({ region: "us-east-1", endpoint: MOCK, maxAttempts: 1, credentials: defaultProvider(options) });
  try {
    const messages = [{ role: "user", content: [{ text: "hi" }] }];
    return (await client.send(new ConverseCommand({ modelId: "anthropic.claude-3-haiku-20240307-v1:0", messages }))).stopReason;
  } catch (e) {
    return `${e.name}: ${e.message}`;
  } finally {
    client.destroy();
  }
};

for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
Object.assign(process.env, { AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_STS: MOCK, AWS_EC2_METADATA_DISABLED: "true",
  AWS_CONFIG_FILE: join(WORK, "config"), AWS_SHARED_CREDENTIALS_FILE: join(WORK, "credentials") });
writeFileSync(join(WORK, "config"), `[profile role]\nrole_arn = arn:aws:iam::210987654321:role/path/Gateway\nsource_profile = user
role_session_name = mohs-js\nregion = us-east-1\n[profile nobody]\nrole_arn = arn:aws:iam::210987654321:role/Gateway\nsource_profile = stranger\n`);
writeFileSync(join(WORK, "credentials"), `[user]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n[stranger]\naws_access_key_id = AKIANOBODY\naws_secret_access_key = x\n`);

const byRole = await converse({ profile: "role" });
claim("a profile with a role assumes it", byRole === "end_turn", byRole);
const byNobody = await converse({ profile: "nobody" });
claim("a refusal of STS has a name and a sentence", byNobody === "InvalidClientTokenId: The security token included in the request is invalid.", byNobody);

const token = (claims) => writeFileSync(join(WORK, "token"), [part({ alg: "RS256" }), part(claims), "c2ln"].join("."));
Object.assign(process.env, { AWS_ROLE_ARN: "arn:aws:iam::210987654321:role/Pod", AWS_WEB_IDENTITY_TOKEN_FILE: join(WORK, "token"), AWS_ROLE_SESSION_NAME: "pod" });
token({ sub: "system:serviceaccount:a:b", iss: "https://idp.example", aud: ["sts.amazonaws.com"] });
const byPod = await converse({});
claim("a pod's token becomes credentials", byPod === "end_turn", byPod);
token({ sub: "system:serviceaccount:a:b", exp: 1000 });
const byOld = await converse({});
claim("an old token is told", byOld.startsWith("ExpiredTokenException: Token expired: current date/time"), byOld);
process.exit(failed);
