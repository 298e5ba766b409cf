"""client_shapes.py: requests made from botocore's shapes, right and wrong in every way that the shapes know.

For each operation of the Bedrock runtime (and of the agent runtime) that botocore describes: one request with no more than
what is required, one with every member there is (of lists of a union, an element for each of its members), one with every
text, list and map as large as may be, and one for each member of each union; all must be answered. Then, from the full one, a request for every constraint that it meets, broken once: a required member left out, too long, too short,
too large, too small, off its pattern, no value of its enum, of a wrong type, a union without a member that it knows and with
two of them. Each must be answered 400, with the sentence of that rule and the path of that member.

Nothing of the SDK checks them: they are put into HTTP by botocore's serializer, changed, signed by its signer, and sent raw.
Constraints come from botocore, patterns are read by Python's `re`: neither is what the mock reads. tests/unit/mock_shapes.c
does the like from fixtures/api, word by word, where there is no botocore.

Starts nothing; run.sh says in LENIENT where the mock is (its shapes are judged, and no more). Arguments: beginnings of the
names of operations. Prints `ok shapes NAME: what` or `not ok shapes NAME: why`.
"""
import base64
import copy
import datetime
import http.client
import json
import os
import random
import re
import sys
import urllib.parse
from collections import Counter

try:
    from re import _parser as parser
except ImportError:  # Python 3.10
    import sre_parse as parser

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import botocore.serialize

SERVICES = {"bedrock-runtime": None, "bedrock-agent-runtime": {"Retrieve", "RetrieveAndGenerate", "RetrieveAndGenerateStream", "Rerank"}}
KEY = botocore.credentials.Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
FOUND = "arn:aws:bedrock:us-east-1::foundation-model/"
USUAL = {  # behind the shapes is something to be found
    "modelId": "amazon.nova-lite-v1:0", "knowledgeBaseId": "KBSUPPORT1",
    "guardrailIdentifier": "gr1234567890", "guardrailId": "gr1234567890", "guardrailVersion": "DRAFT",
    "modelArn": FOUND + "amazon.nova-lite-v1:0",
    "BedrockRerankingModelConfiguration.modelArn": FOUND + "cohere.rerank-v3-5:0",
    "VectorSearchBedrockRerankingModelConfiguration.modelArn": FOUND + "cohere.rerank-v3-5:0",
    "ManagedSearchBedrockRerankingModelConfiguration.modelArn": FOUND + "cohere.rerank-v3-5:0",
}
# What may be said of a request that is right in form: its token or job was never given out, or what depends on what.
LOST = re.compile(r"The provided (nextToken|nextToken or submit time|invocation ARN arn:\S+) is invalid\."
                  r"|knowledgeBaseConfiguration is required for the type KNOWLEDGE_BASE\.")
NUMBERS = {"integer", "long", "float", "double"}
UNKNOWN = "mohsKnowsNoSuchMember"
STRETCH = 3  # elements of a list, and repeats of a pattern, where nothing says how many there may be


# ---- right values ----

def letters(node, rng):
    """A text that an expression of the parser of re matches, most times."""
    out = ""
    for op, arg in node:
        op = str(op)
        if op == "LITERAL":
            out += chr(arg)
        elif op == "ANY":
            out += "a"
        elif op == "NOT_LITERAL":
            out += "a" if arg != ord("a") else "b"
        elif op == "IN":
            out += one_of(arg, rng)
        elif op in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = arg
            high = min(int(high), low + rng.stretch)
            out += "".join(letters(inner, rng) for _ in range(rng.randint(low, high)))
        elif op == "SUBPATTERN":
            out += letters(arg[3], rng)
        elif op == "BRANCH":
            out += letters(rng.choice(arg[1]), rng)
        elif op != "AT":
            raise ValueError(op)
    return out


def one_of(items, rng):
    if str(items[0][0]) == "NEGATE":
        return "a"
    op, arg = rng.choice(items)
    if str(op) == "RANGE":
        return chr(rng.randint(*arg))
    return chr(arg) if str(op) == "LITERAL" else {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " "}.get(str(arg), "a")


TEXTS = {}  # found once


def holds(shape, text):
    m = shape.metadata
    return m.get("min", 0) <= len(text) <= m.get("max", len(text)) and ("pattern" not in m or re.fullmatch(m["pattern"], text) is not None)


def text_of(shape, large):
    m = shape.metadata
    if "pattern" not in m:
        return "a" * (m.get("max", 40) if large else max(m.get("min", 0), 1))
    key = (m["pattern"], m.get("min"), m.get("max"), large)
    if key not in TEXTS:
        TEXTS[key] = matching(m, shape, large)
    return TEXTS[key]


def matching(m, shape, large):
    tree, found = parser.parse(m["pattern"]), set()
    for stretch in (0, 1, 8, m.get("min", 1), m.get("max", 64)):
        rng = random.Random(1)
        rng.stretch = stretch
        found |= {t for t in (letters(tree, rng) for _ in range(25)) if t and holds(shape, t)}
    if not found:
        raise ValueError(f"no text for {m['pattern']}")
    return (max if large else min)(sorted(found), key=len)


class Maker:
    """Values of shapes: `every` member or the required ones, `large` or small; `pick` says which member of a union."""

    def __init__(self, every, large=False, pick=None):
        self.every, self.large, self.pick, self.open = every, large, pick or {}, []

    def value(self, shape, name=None):
        for known in (f"{self.open[-1] if self.open else None}.{name}", name):
            if known in USUAL:
                return USUAL[known]
        m, kind = shape.metadata, shape.type_name
        if kind == "structure":
            return self.structure(shape)
        if kind == "list":
            return self.list(shape)
        if kind == "map":
            keys = [text_of(shape.key, self.large)] if self.every or m.get("min", 0) else []
            return {k: self.value(shape.value) for k in keys}
        if kind == "string":
            return (m["enum"][-1] if self.large else m["enum"][0]) if "enum" in m else text_of(shape, self.large)
        if kind in NUMBERS:
            return m.get("max", 7) if self.large else m.get("min", m.get("max", 1))
        if kind == "blob":
            return b"{}" if m.get("min", 0) <= 2 else b"{" + b" " * (m["min"] - 2) + b"}"
        return True if kind == "boolean" else datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)

    def structure(self, shape):
        if getattr(shape, "is_document_type", False):
            return {"a": [1, "b", {"c": True}]}
        self.open.append(shape.name)
        if getattr(shape, "is_tagged_union", False):
            names = [self.choice(shape)]
        else:
            names = [n for n, s in shape.members.items() if n in shape.required_members or self.every and not self.endless(s)]
            names = [n for n in names if n != "nextToken" or not self.pick]  # so that one of them is looked at, and the others answered
        out = {n: self.value(shape.members[n], n) for n in names}
        self.open.pop()
        return out

    def endless(self, shape):
        """A member that would hold itself."""
        while shape.type_name in ("list", "map"):
            shape = shape.member if shape.type_name == "list" else shape.value
        return shape.name in self.open

    def choice(self, shape):
        if shape.name in self.pick and self.open.count(shape.name) == 1:
            return self.pick[shape.name]
        return next(n for n, s in shape.members.items() if not self.endless(s))

    def list(self, shape):
        m, element = shape.metadata, shape.member
        if getattr(element, "is_tagged_union", False) and self.every and element.name not in self.pick:
            out = []
            for n, s in element.members.items():
                if not self.endless(s) and len(out) < m.get("max", len(element.members)):
                    out.append(Maker(self.every, self.large, {element.name: n}).inside(self.open, element))
            return out + [self.value(element)] * (m.get("min", 0) - len(out))
        n = m.get("max", STRETCH) if self.large else max(m.get("min", 0), 1 if self.every else 0)
        return [self.value(element) for _ in range(min(n, max(STRETCH, m.get("min", 0), 16)))]

    def inside(self, open_, shape):
        self.open = list(open_)
        pick, self.pick = self.pick, {}
        self.open.append(shape.name)
        name = pick[shape.name]
        out = {name: self.value(shape.members[name], name)}
        self.open.pop()
        return out


# ---- wrong ones ----

class Case:
    def __init__(self, rule, steps, change, says, type_="ValidationException"):
        self.rule, self.steps, self.change, self.says, self.type = rule, steps, change, says, type_

    def told(self):
        """The path as its sentence spells it: positions count from one, but for unions, whose sentence is the mock's own."""
        out = ""
        for kind, step in self.steps:
            if self.rule.startswith("union"):
                out += f".{step}"
            else:
                out += f".{step + 1}.member" if kind == "index" else f".{step}.member" if kind == "key" else f".{step}"
        return out[1:]


def at(tree, steps):
    for _, step in steps:
        tree = tree[step]
    return tree


def put(steps, value):
    def change(tree):
        at(tree, steps[:-1])[steps[-1][1]] = value
    return change


def drop(steps):
    def change(tree):
        del at(tree, steps[:-1])[steps[-1][1]]
    return change


def wrong_type(kind):
    return "many" if kind in NUMBERS or kind == "boolean" else [] if kind == "map" else 7


def broken(shape, value):
    """(rule, wrong value, sentence) for each constraint of a value itself."""
    m, kind = shape.metadata, shape.type_name
    word = "value" if kind in NUMBERS else "length"
    if "enum" in m:
        yield "enum", UNKNOWN, "Member must satisfy enum value set: [" + ", ".join(m["enum"]) + "]"
    for rule, word_of, step in (("min", "greater", -1), ("max", "less", 1)):
        if rule in m and not (kind not in NUMBERS and m[rule] + step < 0):
            yield rule, resized(shape, value, m[rule] + step), f"Member must have {word} {word_of} than or equal to {m[rule]}"
    if "pattern" in m:
        n = max(m.get("min", 1), 1)
        odd = [t for t in (c * n for c in "\x01 !~\u00e9\u3042Z-") if re.fullmatch(m["pattern"], t) is None]
        if odd:
            yield "pattern", odd[-1], "Member must satisfy regular expression pattern: " + m["pattern"]
        else:
            UNMADE[m["pattern"]] += 1  # it matches everything


def resized(shape, value, n):
    kind = shape.type_name
    if kind in NUMBERS:
        return n
    if kind == "list":
        return (value * (n // max(len(value), 1) + 1))[:n]
    if kind == "map":
        key = next(iter(value))
        return {f"{key}{i}"[-shape.key.metadata.get("max", 64):]: value[key] for i in range(n)}
    if kind == "blob":
        return base64.b64encode(b"a" * n).decode()
    return ("a" if re.fullmatch(shape.metadata.get("pattern", "a*"), "a" * n) or n == 0 else value[:1] or "a") * n


UNMADE = Counter()  # patterns that nothing was found to break


class Breaker:
    """Every constraint below the body of a request, once for each member of a named structure."""

    def __init__(self):
        self.seen = set()

    def members(self, shape, value, steps):
        union = getattr(shape, "is_tagged_union", False)
        if union and (shape.name, "union") not in self.seen:
            self.seen.add((shape.name, "union"))
            keys = ", ".join(shape.members)
            yield Case("union unknown", steps, put(steps, {UNKNOWN: {}}), f"must set one of the following keys: {keys}.")
            others = [n for n in shape.members if n not in value]
            if others:
                two = {**value, others[0]: Serialized.of(shape.members[others[0]])}
                yield Case("union two", steps, put(steps, two), f"must set only one of the following keys: {keys}.")
        for name, inner in shape.members.items():
            if name not in value:
                continue
            new = (shape.name, name) not in self.seen
            self.seen.add((shape.name, name))
            here = steps + [("name", name)]
            if new and name in shape.required_members:
                yield Case("required", here, drop(here), "Member must not be null")
            yield from self.place(inner, value[name], here, here, new)

    def place(self, shape, value, steps, told, new):
        """A value, and what is below it; its own constraints only where they are `new`."""
        if getattr(shape, "is_document_type", False):
            return
        kind = shape.type_name
        if new:
            yield Case("type", told, put(steps, wrong_type(kind)), "", "SerializationException")
            for rule, wrong, says in broken(shape, value):
                yield Case(rule, told, put(steps, wrong), says)
        if kind == "structure":
            yield from self.members(shape, value, steps)
        elif kind == "list":
            for i, v in enumerate(value):
                yield from self.inner(shape.member, v, steps + [("index", i)], told, new and i == 0)
        elif kind == "map":
            for i, (k, v) in enumerate(value.items()):
                yield from self.inner(shape.value, v, steps + [("key", k)], told, new and i == 0)
                for rule, wrong, says in broken(shape.key, k) if new and i == 0 else ():
                    yield Case("key " + rule, told, put(steps, {wrong: v}), says)

    def inner(self, shape, value, steps, told, new):
        """What a list or map holds: plain values are told with the list, others by themselves."""
        plain = shape.type_name not in ("structure", "list", "map")
        yield from self.place(shape, value, steps, told if plain else steps, new)


class Serialized:
    """A small value of a shape, as JSON has it."""
    @staticmethod
    def of(shape):
        def plain(v):
            if isinstance(v, bytes):
                return "e30="
            if isinstance(v, datetime.datetime):
                return v.strftime("%Y-%m-%dT%H:%M:%SZ")
            if isinstance(v, dict):
                return {k: plain(x) for k, x in v.items()}
            return [plain(x) for x in v] if isinstance(v, list) else v
        return plain(Maker(False).value(shape))


# ---- over the wire ----

class Wire:
    def __init__(self, url, service, signing):
        self.base, self.service, self.signing = urllib.parse.urlsplit(url), service, signing
        self.line = http.client.HTTPConnection(self.base.netloc, timeout=60)

    def ask(self, request):
        """(status, error type, message, or the body's beginning)."""
        query = urllib.parse.urlencode(request["query_string"], quote_via=urllib.parse.quote)
        target = request["url_path"] + (f"?{query}" if query else "")
        url = f"http://{self.base.netloc}{target}"
        body = request["body"]
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        ask = botocore.awsrequest.AWSRequest(request["method"], url, {k: v for k, v in request["headers"].items() if v is not None}, raw)
        botocore.auth.SigV4Auth(KEY, self.signing, "us-east-1").add_auth(ask)
        headers = {k: v.encode() for k, v in ask.headers.items()}
        self.line.request(request["method"], target, raw, headers)
        answer = self.line.getresponse()
        said = answer.read()
        type_ = (answer.headers.get("x-amzn-ErrorType") or "").split(":")[0]
        if answer.status == 200:
            return 200, "", ""
        try:
            tree = json.loads(said)
        except ValueError:
            tree = {}
        return answer.status, type_, tree.get("message", said[:200].decode("utf-8", "replace"))


class Operation:
    def __init__(self, service, model, name, wire):
        self.name, self.wire = name, wire
        self.op = model.operation_model(name)
        self.serializer = botocore.serialize.create_serializer("rest-json", include_validation=False)
        self.counts, self.bad = Counter(), []

    def request(self, values):
        out = self.serializer.serialize_to_request(copy.deepcopy(values), self.op)
        out = {k: out.get(k) for k in ("url_path", "query_string", "method", "headers", "body")}
        out["query_string"] = dict(out["query_string"] or {})
        out["headers"] = dict(out["headers"] or {})
        if out["headers"].get("Content-Type") == "application/json" and "payload" not in self.op.input_shape.serialization:
            out["body"] = json.loads(out["body"] or b"{}")
        return out

    def right(self, what, values):
        answer = self.wire.ask(self.request(values))
        self.counts["right"] += 1
        self.counts["answered"] += answer[0] == 200
        if answer[0] != 200 and not (answer[1] == "ValidationException" and LOST.fullmatch(answer[2])):
            self.bad.append(f"{what} is refused: {answer}")

    def wrong(self, case, request):
        answer = self.wire.ask(request)
        self.counts[case.rule.split()[0]] += 1
        where = case.told()
        good = answer[:2] == (400, case.type) and case.says in answer[2]
        if case.type == "ValidationException":
            good = good and (f"at '{where}'" in answer[2] or f"object at {where} must" in answer[2])
        if not good:
            self.bad.append(f"{case.rule} of {where}: expected {case.type} with {case.says!r}, got {answer[0]} {answer[1]} {answer[2][:300]!r}")

    def full(self):
        """Everything, and then everything with each member of each union."""
        shape = self.op.input_shape
        yield "everything", Maker(True).value(shape)
        for union in unions(shape):
            for member in union.members:
                yield f"{union.name} with {member}", Maker(True, False, {union.name: member}).value(shape)

    def all_right(self):
        self.right("the least", Maker(False).value(self.op.input_shape))
        self.right("everything at its largest", Maker(True, True).value(self.op.input_shape))
        for what, values in self.full():
            self.right(what, values)

    def all_wrong(self):
        shape = self.op.input_shape
        values = Maker(True).value(shape)
        base = self.request(values)
        payload = shape.serialization.get("payload")
        breaker = Breaker()
        for _, full in self.full() if isinstance(base["body"], dict) else ():
            body = self.request(full)["body"]
            for case in breaker.members(shape, body, []):
                request = {**base, "body": copy.deepcopy(body)}
                case.change(request["body"])
                self.wrong(case, request)
        for name, inner in shape.members.items():
            where = inner.serialization.get("location")
            if where:
                self.outside(name, inner, where, values, base)
            elif name == payload and inner.type_name == "blob" and "max" in inner.metadata:
                says = f"Member must have length less than or equal to {inner.metadata['max']}"
                self.wrong(Case("max", [("name", name)], None, says), {**base, "body": b"a" * (inner.metadata["max"] + 1)})

    def outside(self, name, inner, where, values, base):
        """A member in the path, the query or a header."""
        wire = inner.serialization.get("name", name)
        for rule, value, says in broken(inner, values[name]):
            if where == "header" and not str(value).isprintable() or where == "uri" and value == "":
                continue
            request = copy.deepcopy(base)
            if where == "querystring":
                request["query_string"][wire] = str(value)
            elif where == "header":
                request["headers"][wire] = str(value)
            else:
                request["url_path"] = self.request({**values, name: value})["url_path"]
            self.wrong(Case(rule, [("name", name)], None, says), request)
        if where == "querystring" and (inner.type_name in NUMBERS or inner.type_name == "timestamp"):
            request = copy.deepcopy(base)
            request["query_string"][wire] = "many"
            self.wrong(Case("type", [("name", name)], None, "", "SerializationException"), request)

    def run(self):
        self.all_right()
        self.all_wrong()
        for why in self.bad:
            print(f"not ok shapes {self.name}: {why}")
        wrong = {k: v for k, v in self.counts.items() if k not in ("right", "answered")}
        if not self.bad:
            print(f"ok shapes {self.name}: {self.counts['right']} right ({self.counts['answered']} answered), {sum(wrong.values())} wrong: "
                  + ", ".join(f"{v} {k}" for k, v in sorted(wrong.items())))


def unions(shape, seen=None):
    seen = {} if seen is None else seen
    if shape.name in seen or getattr(shape, "is_document_type", False):
        return []
    seen[shape.name] = shape
    if shape.type_name == "structure":
        for inner in shape.members.values():
            unions(inner, seen)
    elif shape.type_name in ("list", "map"):
        unions(shape.member if shape.type_name == "list" else shape.value, seen)
    return [s for s in seen.values() if getattr(s, "is_tagged_union", False) and not getattr(s, "is_document_type", False)]


def main():
    loader = botocore.loaders.Loader()
    for service, some in SERVICES.items():
        model = botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)
        wire = Wire(os.environ["LENIENT"], service, model.signing_name)
        for name in model.operation_names:
            if some is not None and name not in some or not any(name.startswith(a) for a in sys.argv[1:] or [""]):
                continue
            operation = Operation(service, model, name, wire)
            if operation.op.has_event_stream_input:
                print(f"    shapes {name}: a stream both ways; bidi.json has its requests")
                continue
            operation.run()
    if UNMADE:
        print(f"    shapes: nothing breaks the patterns {', '.join(UNMADE)}")


if __name__ == "__main__":
    main()
