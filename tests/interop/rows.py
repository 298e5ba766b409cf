"""rows.py: what every client of the table does that is not calling an SDK.

A row of behaviours.json scripts the mock, makes one call as an application would, and states what the SDK must have made
of the answer and what the mock's journal must say of the request. This module reads the table, talks to the mock, puts
streams together and judges; the client gives it one function, call(row, url), that returns an outcome (README.md).
client_js.mjs is its twin in JavaScript. Starts nothing; run.sh says in the environment where the mocks are.
"""
import base64
import datetime
import json
import os
import re
import struct
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import dialogue

HERE = Path(__file__).resolve().parent
VECTORS = {v["name"]: v for v in json.loads((HERE / "../../fixtures/vectors/eventstream.json").read_text())["vectors"]}
OBSERVED = {b["name"]: b for b in json.loads((HERE / "../../fixtures/vectors/sdk-behaviours.json").read_text())["behaviours"]}
OURS = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# ---- plain values ----

MATCHERS = {"$regex", "$absent", "$least", "$any", "$some", "$exact"}


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
    if isinstance(v, datetime.datetime):
        return v.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
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
CLIENT = ""  # whose rows are run; run_all sets it


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
    if "$some" in expected:
        return isinstance(actual, list) and any(mismatch(expected["$some"], item) is None for item in actual)
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


# ---- outcomes ----

def unary(operation, output, **meta):
    """The outcome of an answer that is no stream; `output` is what the SDK gave, plain."""
    out = {"result": "answer", **meta, "output": output}
    if operation == "Converse":
        m = (output.get("output") or {}).get("message") or {}
        out.update(role=m.get("role"), blocks=m.get("content"), stop=output.get("stopReason"), usage=output.get("usage"),
                   metrics=output.get("metrics"), additional=output.get("additionalModelResponseFields"), trace=output.get("trace"))
    return out


class Assembly:
    """Blocks from deltas, as every gateway has to put them together."""

    def __init__(self):
        self.out = {"result": "stream ended", "events": 0, "types": [], "deltas": [], "chunks": []}
        self.blocks, self.inputs = {}, {}

    def take(self, kind, value):
        self.out["events"] += 1
        if not self.out["types"] or self.out["types"][-1] != kind:
            self.out["types"].append(kind)
        getattr(self, "take_" + kind, lambda v: None)(value)

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


# ---- what must come out ----

def service_of(row):
    return row.get("service", "bedrock-runtime")


def request_of(row):
    """What the SDK is called with: the row's input, or the usual one of its operation."""
    given = row.get("input", TABLE["inputs"].get(row["operation"], {}))
    if service_of(row) != "bedrock-runtime" or row.get("no_model"):
        return given
    return {"modelId": row.get("model", TABLE["model"]), **given}


def observed(row):
    """What sdk-behaviours.json says of this client; boto3's part of it stands in the table. Its texts are beginnings."""
    if "as" not in row or CLIENT == "boto3":
        return {}
    want = json.loads(json.dumps(OBSERVED[row["as"]].get(CLIENT, {})))
    if "output" in want:
        want["output"] = {"$exact": want["output"]}
    if "message" in want.get("error", {}):
        want["error"]["message"] = {"$regex": "^" + re.escape(want["error"]["message"])}
    return want


def expectation(row):
    """Every answer and every error carries the request id of the answer; `always` in the table says so once."""
    usual = {"result": "stream ended" if row["operation"].endswith("Stream") else "answer"}
    want = merge(merge(merge(usual, observed(row)), row.get("expect", {})), row.get(CLIENT, {}))
    return want if "as" in row else {"result": want["result"], **merge(TABLE["always"].get(want["result"], {}), want)}


def expected_entry(row):
    base = merge(TABLE["journal"], {"operation": row["operation"]})
    if service_of(row) == "bedrock-runtime" and not row.get("no_model"):
        base["model"] = row.get("model", TABLE["model"])
    return merge(merge(base, row.get("journal", {})), row.get("journal_" + CLIENT, {}))


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


def prepare(row, base, url, call):
    """The calls that come before the row's own, by the same client; each must be answered."""
    for step in row.get("before", []):
        got = call({"name": row["name"], "input": {}, **step}, url)
        if got["result"] != "answer":
            raise RuntimeError(f"before: {step['operation']}: {json.dumps(got, default=str)}")
    if "clock" in row:
        admin(base, "/clock", row["clock"])


def attempt(row, faults, call):
    where = row.get("on", "lenient").upper()
    base = os.environ[where + "_ADMIN"]
    admin(base, "/reset", {})
    prepare(row, base, os.environ[where], call)
    since = admin(base, "/journal")["next"]
    canaries = {"canaries": row["canaries"]} if "canaries" in row else {}
    admin(base, "/script", {"replies": script(row), **canaries})
    if faults:
        admin(base, "/faults", {"faults": faults})
    want = {"requests": 1, **expectation(row)}
    requests = want.pop("requests")
    got = call(row, os.environ[where])
    entries = admin(base, f"/journal?since={since}&count={max(requests, 1)}&timeout_ms={5000 if requests else 100}")["entries"]
    why = mismatch(want, got) or judge_journal(row, requests, entries) or judge_log(row, os.environ[where + "_LOG"])
    if "RECORD" in os.environ:
        with open(os.environ["RECORD"], "a") as out:
            out.write(json.dumps({"client": CLIENT, "row": row["name"], "as": row.get("as"), "why": why, "got": got, "requests": len(entries)}, default=str) + "\n")
    if why and os.environ.get("VERBOSE"):
        why += f" [{json.dumps(got, default=str)} {json.dumps(entries)}]"
    return why


def run(row, call):
    for faults in sweep_of(row):
        try:
            why = attempt(row, faults, call)
        except Exception as e:
            why = f"{type(e).__name__}: {e}"
        if why:
            return f"{json.dumps(faults)}: {why}" if "sweep" in row else why
    return None


def expand(row):
    """A row for several operations, or on several mocks, is as many rows."""
    if isinstance(row.get("on"), list):
        return [{**row, "on": o, "name": f"{row['name']}/{o}"} for o in row["on"]]
    if isinstance(row.get("operation"), list):
        return [{**row, "operation": o, "name": f"{row['name']}/{o}"} for o in row["operation"]]
    return [{**row, "operation": row.get("operation") or OBSERVED.get(row.get("as"), {}).get("operation", "Converse")}]


def concerns(row, wanted):
    only = row.get("only", CLIENT)
    return (CLIENT in only if isinstance(only, list) else CLIENT == only) and \
        (not wanted or any(row["name"].startswith(w) for w in wanted))


def run_all(client, call, wanted, written=lambda row: True):
    """Every row that concerns `client` and that it was `written` for, one after the other."""
    global CLIENT
    CLIENT = client
    for row in (r for given in TABLE["rows"] + dialogue.ROWS for r in expand(given)):
        if concerns(row, wanted) and written(row):
            why = run(row, call)
            print(f"not ok {client} {row['name']}: {' '.join(why.split())}" if why else f"ok {client} {row['name']}", flush=True)
