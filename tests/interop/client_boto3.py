"""client_boto3.py: every row of behaviours.json through boto3.

The twin of client_js.mjs, function for function: script the mock, make one call, bring what came out into the plain form
that README.md describes, compare it with what the row expects of this SDK, and the mock's journal with what it expects of
the request. Starts nothing; run.sh says in the environment where the mocks are. Arguments: names of rows to run.
Prints `ok name` or `not ok name: why`.
"""
import base64
import datetime
import json
import os
import re
import struct
import sys
import urllib.error
import urllib.parse
import urllib.request
import zlib
from pathlib import Path

import boto3
import botocore.auth
import botocore.exceptions
from botocore.config import Config

HERE = Path(__file__).resolve().parent
VECTORS = {v["name"]: v for v in json.loads((HERE / "../../fixtures/vectors/eventstream.json").read_text())["vectors"]}
OBSERVED = {b["name"]: b for b in json.loads((HERE / "../../fixtures/vectors/sdk-behaviours.json").read_text())["behaviours"]}
OURS = urllib.request.build_opener(urllib.request.ProxyHandler({}))
REAL_NOW = botocore.auth.get_current_datetime


# ---- plain values ----

MATCHERS = {"$regex", "$absent", "$least", "$any", "$exact"}


def merge(a, b):
    if not isinstance(a, dict) or not isinstance(b, dict) or MATCHERS & b.keys():
        return b
    return {**a, **{k: merge(a.get(k), v) for k, v in b.items()}}


def plain(v):
    """What the SDK gave, as JSON: bytes become {"$bytes": text} or {"$base64": text}."""
    if isinstance(v, (bytes, bytearray)):
        try:
            return {"$bytes": bytes(v).decode("utf-8")}
        except UnicodeDecodeError:
            return {"$base64": base64.b64encode(v).decode()}
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    return [plain(x) for x in v] if isinstance(v, list) else v


def walk(v, change):
    """Every value of a tree, those below first, through `change`."""
    if isinstance(v, list):
        return [walk(x, change) for x in v]
    return change({k: walk(x, change) for k, x in v.items()}) if isinstance(v, dict) else v


def revive(v):
    """The other way, for inputs: {"$base64": ...} becomes bytes."""
    return walk(v, lambda x: base64.b64decode(x["$base64"]) if isinstance(x.get("$base64"), str) else x)


def spell(v):
    """Long texts are not spelled out in the table: {"$repeat": [text, n]}."""
    return walk(v, lambda x: x["$repeat"][0] * x["$repeat"][1] if isinstance(x.get("$repeat"), list) else x)


TABLE = spell(json.loads((HERE / "behaviours.json").read_text()))
ABSENT = object()


def same_keys(a, b):
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same_keys(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same_keys, a, b))
    return True


def holds(expected, actual):
    """The matchers that are no plain value; None when `expected` is none of them."""
    if "$regex" in expected:
        return isinstance(actual, str) and re.search(expected["$regex"], actual) is not None
    if "$absent" in expected:
        return actual is ABSENT or actual is None
    if "$least" in expected:
        return isinstance(actual, (int, float)) and actual >= expected["$least"]
    if "$any" in expected:
        return any(mismatch(choice, actual) is None for choice in expected["$any"])
    if "$exact" in expected:
        return same_keys(expected["$exact"], actual) and mismatch(expected["$exact"], actual) is None
    return None


def mismatch(expected, actual, at=""):
    """Where `actual` is not what `expected` says, or None. Objects name the members that matter; lists are whole."""
    def say():
        got = "nothing" if actual is ABSENT else json.dumps(actual, default=str)
        return f"{at or 'outcome'}: expected {json.dumps(expected)}, got {got}"[:700]

    if isinstance(expected, dict):
        special = holds(expected, actual)
        if special is not None:
            return None if special else say()
        if not isinstance(actual, dict):
            return say()
        return next((w for w in (mismatch(v, actual.get(k, ABSENT), f"{at}/{k}") for k, v in expected.items()) if w), None)
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return say()
        return next((w for w in (mismatch(e, a, f"{at}/{i}") for i, (e, a) in enumerate(zip(expected, actual))) if w), None)
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return None if same else say()


# ---- event-stream bytes that the mock cannot make from words ----

def frame_hex(frame):
    head = b""
    for name, kind, value in frame["headers"]:
        name, value = name.encode(), value.encode()
        head += bytes([len(name)]) + name + bytes([{"string": 7, "bytes": 6, "bad": 10}[kind]]) + struct.pack(">H", len(value)) + value
    payload = frame.get("payload", "").encode()
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return (message + struct.pack(">I", zlib.crc32(message))).hex()


def runs(text):
    """"00ff 61*3" is 00ff616161 (fixtures/vectors/README.md)."""
    parts = (run.partition("*") for run in text.split())
    return b"".join(bytes.fromhex(hexa) * int(times or 1) for hexa, _, times in parts)


def scripted(reply):
    if "frames" not in reply:
        return reply
    return {**reply, "frames": [{"raw_hex": frame_hex(f)} if "headers" in f else f for f in reply["frames"]]}


def observed_reply(seen):
    """The answer that an entry of sdk-behaviours.json was observed with."""
    server = seen["server"]
    headers = {"content-type": "application/vnd.amazon.eventstream" if "vector" in server else "application/json",
               "x-amzn-requestid": TABLE["request_id"]}
    headers.update({k.lower(): v for k, v in server.get("headers", {}).items()})
    raw = {"status": server["status"], "headers": [[k, v] for k, v in headers.items() if v is not None]}
    if "vector" in server:
        data = runs(VECTORS[server["vector"]]["bytes"])
        raw["body_base64"] = base64.b64encode(data[:server.get("first_bytes", len(data))]).decode()
    else:
        raw["body"] = server.get("body", "")
    return {"raw": raw}


# ---- the mock ----

def admin(base, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"content-type": "application/json"})
    try:
        with OURS.open(request, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        raise RuntimeError(f"{path}: the mock says {e.code} {e.read().decode()}") from None


def script(row):
    if "replies" in row:
        return [{**r, "reply": scripted(r["reply"])} for r in row["replies"]]
    seen = OBSERVED[row["as"]] if "as" in row else None
    reply = scripted(row["reply"]) if "reply" in row else observed_reply(seen) if seen else None
    if reply is None:
        return []
    last = [{"times": "always", "reply": {"text": "at last"}}] if seen and "at_last" in seen["server"] else []
    times = row.get("failures", seen["js"]["requests"] - 1) if last else "always"
    return [{"times": times, "reply": reply}, *last]


# ---- one call ----

def shift_clock(ms):
    def now(*args, **named):
        return REAL_NOW(*args, **named) + datetime.timedelta(milliseconds=ms)
    botocore.auth.get_current_datetime = now


def tamper(what):
    """What a careless proxy does to a request that was already signed."""
    def before_send(request, **_):
        if what == "body":
            request.body = request.body.replace(b"hello", b"jello")
        if what == "content-type":
            request.headers["Content-Type"] = "application/json; charset=utf-8"
        if what == "path":
            request.url = request.url.replace("%3A", ":")
        if what == "unsigned":
            request.headers["x-forwarded-for"] = "127.0.0.1"
    return before_send


def make_client(row, url):
    c = row.get("client", {})
    os.environ.pop("AWS_BEARER_TOKEN_BEDROCK", None)
    if "bearer" in c:
        os.environ["AWS_BEARER_TOKEN_BEDROCK"] = c["bearer"]
    shift_clock(c.get("clock_ms", 0))
    keys = {**TABLE["credentials"], **c.get("credentials", {})}
    config = Config(parameter_validation=not row.get("unchecked", False), connect_timeout=5, proxies={},
                    read_timeout=c.get("read_timeout_ms", 15000) / 1000,
                    retries={"mode": c.get("retry_mode", "standard"), "total_max_attempts": row.get("attempts", 1)})
    client = boto3.session.Session().client(
        "bedrock-runtime", region_name=c.get("region", "us-east-1"), endpoint_url=url, config=config,
        aws_access_key_id=keys["accessKeyId"], aws_secret_access_key=keys["secretAccessKey"],
        aws_session_token=keys.get("sessionToken"))
    if "tamper" in c:
        client.meta.events.register("before-send.bedrock-runtime.*", tamper(c["tamper"]))
    return client


def error_of(e):
    out = {"class": type(e).__name__, "name": type(e).__name__, "message": str(e)}
    response = getattr(e, "response", None)
    if isinstance(response, dict):
        meta = response.get("ResponseMetadata", {})
        out.update({k: v for k, v in response.items() if k not in ("Error", "ResponseMetadata", "message")})
        out.update(name=response["Error"].get("Code"), message=response["Error"].get("Message"),
                   status=meta.get("HTTPStatusCode"), request_id=meta.get("RequestId"))
    return {k: plain(v) for k, v in out.items() if v is not None}


def unary_outcome(operation, response):
    meta = response.pop("ResponseMetadata")
    if "body" in response:
        response["body"] = response["body"].read()
    out = {"result": "answer", "status": meta["HTTPStatusCode"], "request_id": meta.get("RequestId"), "output": plain(response)}
    if operation == "Converse":
        p, m = out["output"], (out["output"].get("output") or {}).get("message") or {}
        out.update(role=m.get("role"), blocks=m.get("content"), stop=p.get("stopReason"), usage=p.get("usage"),
                   metrics=p.get("metrics"), additional=p.get("additionalModelResponseFields"), trace=p.get("trace"))
    return out


class Assembly:
    """Blocks from deltas, as every gateway has to put them together."""

    def __init__(self):
        self.out = {"result": "stream ended", "events": 0, "types": [], "deltas": [], "chunks": []}
        self.blocks, self.inputs = {}, {}

    def take(self, event):
        kind = next(iter(event), "")
        self.out["events"] += 1
        if not self.out["types"] or self.out["types"][-1] != kind:
            self.out["types"].append(kind)
        getattr(self, "take_" + kind, lambda v: None)(plain(event[kind]) if kind else {})

    def take_messageStart(self, v):
        self.out["role"] = v.get("role")

    def take_contentBlockStart(self, v):
        self.blocks[v["contentBlockIndex"]] = dict(v["start"])

    def take_contentBlockDelta(self, v):
        i, d = v.get("contentBlockIndex", 0), v.get("delta", {})
        b = self.blocks.setdefault(i, {})
        while len(self.out["deltas"]) <= i:
            self.out["deltas"].append([])
        pieces = self.out["deltas"][i]
        kind = next(iter(d), None)
        if kind == "text":
            b["text"] = b.get("text", "") + d["text"]
            pieces.append(d["text"])
        elif kind == "toolUse":
            self.inputs[i] = self.inputs.get(i, "") + d["toolUse"]["input"]
            pieces.append(d["toolUse"]["input"])
        elif kind == "reasoningContent":
            self.reasoning(b, d["reasoningContent"], pieces)
        elif kind == "citation":
            b.setdefault("citations", []).append(d["citation"])
        elif kind:
            b[kind] = d[kind]

    @staticmethod
    def reasoning(b, x, pieces):
        if "redactedContent" in x:
            b["reasoningContent"] = {"redactedContent": x["redactedContent"]}
            return
        r = b.setdefault("reasoningContent", {}).setdefault("reasoningText", {})
        for key in ("text", "signature"):
            if key in x:
                r[key] = r.get(key, "") + x[key]
        if "text" in x:
            pieces.append(x["text"])

    def take_messageStop(self, v):
        self.out.update(stop=v.get("stopReason"), additional=v.get("additionalModelResponseFields"))

    def take_metadata(self, v):
        self.out.update(usage=v.get("usage"), metrics=v.get("metrics"), trace=v.get("trace"))

    def take_chunk(self, v):
        self.out["chunks"].append(v.get("bytes", {}).get("$bytes"))

    def outcome(self, **more):
        for i, b in self.blocks.items():
            if "toolUse" in b:
                try:
                    b["toolUse"]["input"] = json.loads(self.inputs.get(i) or "{}")
                except ValueError:
                    b["toolUse"]["input"] = {"$unparsed": self.inputs[i]}
        blocks = [self.blocks.get(i) for i in range(max(self.blocks, default=-1) + 1)]
        return {**self.out, "blocks": blocks, "inputs": [self.inputs[i] for i in sorted(self.inputs)], **more}


METHODS = {"Converse": "converse", "ConverseStream": "converse_stream", "InvokeModel": "invoke_model",
           "InvokeModelWithResponseStream": "invoke_model_with_response_stream", "CountTokens": "count_tokens",
           "ApplyGuardrail": "apply_guardrail"}


def call(row, client):
    operation = row["operation"]
    given = revive({"modelId": row.get("model", TABLE["model"]), **row.get("input", TABLE["inputs"].get(operation, {}))})
    if row.get("no_model"):
        del given["modelId"]
    try:
        response = getattr(client, METHODS[operation])(**given)
    except Exception as e:  # whatever the SDK throws is the outcome
        return {"result": "refused", "error": error_of(e)}
    if not operation.endswith("Stream"):
        return unary_outcome(operation, response)
    assembly = Assembly()
    meta = {"status": response["ResponseMetadata"]["HTTPStatusCode"], "request_id": response["ResponseMetadata"].get("RequestId")}
    stream = response["stream"] if "stream" in response else response["body"]
    try:
        for event in stream:
            assembly.take(event)
    except Exception as e:
        return assembly.outcome(**{**meta, "result": "stream broke", "error": error_of(e)})
    finally:
        stream.close()
    return assembly.outcome(**meta)


# ---- what must come out ----

def expectation(row):
    """Every answer and every error carries the request id of the answer; `always` in the table says so once."""
    usual = {"result": "stream ended" if row["operation"].endswith("Stream") else "answer"}
    want = merge(merge(usual, row.get("expect", {})), row.get("boto3", {}))
    return want if "as" in row else {"result": want["result"], **merge(TABLE["always"][want["result"]], want)}


def expected_entry(row):
    base = merge(TABLE["journal"], {"operation": row["operation"], "model": row.get("model", TABLE["model"])})
    return merge(merge(base, row.get("journal", {})), row.get("journal_boto3", {}))


def leak(row, entry):
    """Nothing that opens doors may stand in a journal."""
    text, c = json.dumps(entry), row.get("client", {})
    keys = c.get("credentials", {})
    secrets = [c.get("bearer"), keys.get("sessionToken"), keys.get("secretAccessKey"), TABLE["credentials"]["secretAccessKey"]]
    seen = any(secret and secret in text for secret in secrets) or re.search("Signature=[0-9a-f]{64}", text)
    return "journal: it holds a secret" if seen else None


def judge_journal(row, requests, entries):
    if len(entries) != requests:
        return f"requests: expected {requests}, the journal has {len(entries)}"
    return next((w for w in (mismatch(expected_entry(row), e, "journal") or leak(row, e) for e in entries) if w), None)


def judge_log(row, path):
    if "log" not in row or re.search(row["log"], Path(path).read_text()):
        return None
    return f"the mock's log has no line like /{row['log']}/"


def sweep_of(row):
    if "sweep" not in row:
        return [row.get("faults")]
    fault = dict(row["sweep"])
    first, last, step = fault.pop("from"), fault.pop("to"), fault.pop("step", 1)
    parameter = fault.pop("parameter", "at_byte")
    return [[{**fault, parameter: n}] for n in range(first, last + 1, step)]


def attempt(row, faults):
    where = row.get("on", "lenient").upper()
    base = os.environ[where + "_ADMIN"]
    admin(base, "/reset", {})
    since = admin(base, "/journal")["next"]
    canaries = {"canaries": row["canaries"]} if "canaries" in row else {}
    admin(base, "/script", {"replies": script(row), **canaries})
    if faults:
        admin(base, "/faults", {"faults": faults})
    want = {"requests": 1, **expectation(row)}
    requests = want.pop("requests")
    client = make_client(row, os.environ[where])
    got = call(row, client)
    client.close()
    entries = admin(base, f"/journal?since={since}&count={max(requests, 1)}&timeout_ms={5000 if requests else 100}")["entries"]
    why = mismatch(want, got) or judge_journal(row, requests, entries) or judge_log(row, os.environ[where + "_LOG"])
    if why and os.environ.get("VERBOSE"):
        why += f" [{json.dumps(got, default=str)} {json.dumps(entries)}]"
    return why


def run(row):
    for faults in sweep_of(row):
        try:
            why = attempt(row, faults)
        except Exception as e:
            why = f"{type(e).__name__}: {e}"
        if why:
            return f"{json.dumps(faults)}: {why}" if "sweep" in row else why
    return None


def missing():
    """Operations that the mock does not serve yet (may_be_missing): their rows are skipped, until it does."""
    paths = {"InvokeModel": "invoke", "InvokeModelWithResponseStream": "invoke-with-response-stream"}

    def served(operation):
        model = urllib.parse.quote(TABLE["model"], safe="")
        try:
            OURS.open(urllib.request.Request(f"{os.environ['LENIENT']}/model/{model}/{paths[operation]}", b"{}"), timeout=5)
        except urllib.error.HTTPError as e:
            return e.code != 404
        return True
    return [operation for operation in TABLE["may_be_missing"] if not served(operation)]


def expand(row):
    """A row for several operations is as many rows."""
    if isinstance(row.get("operation"), list):
        return [{**row, "operation": o, "name": f"{row['name']}/{o}"} for o in row["operation"]]
    return [{**row, "operation": row.get("operation") or OBSERVED.get(row.get("as"), {}).get("operation", "Converse")}]


def main(wanted):
    unserved = missing()
    for row in (r for given in TABLE["rows"] for r in expand(given)):
        if row.get("only", "boto3") != "boto3" or (wanted and not any(row["name"].startswith(w) for w in wanted)):
            continue
        if row["operation"] in unserved:
            print(f"SKIP boto3 {row['name']}: the mock does not serve {row['operation']}", flush=True)
            continue
        why = run(row)
        print(f"not ok boto3 {row['name']}: {' '.join(why.split())}" if why else f"ok boto3 {row['name']}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
