"""drift.py: fixtures/api beside the models that botocore publishes, so that our copy cannot age or err unnoticed.

What botocore says of the operations that we have is put into the form of fixtures/api (its README), and the two are compared
whole: operations (method, URI, status, streaming, idempotency, errors), members (type, place and name on the wire, required,
constraints, sensitive, deprecated), enums, event streams, errors (status, fault, code, members) and how the service is
spoken to. A trait of botocore's that has no place in that form is a difference, too: nothing is left out silently. Then the
names that SDKs page and wait by (paginators, waiters) are looked up in our members.

Differences that are meant stand in the file itself: its `amendments`, with the JSON pointers, what is published there, and
why. One that explains nothing any more, or that botocore has changed under us, is a failure.

    drift.py             compare; `ok` or `not ok` a line, each difference with its pointer, ours and theirs; and
                         by name the operations of botocore that we do not have
    drift.py --renew     write what botocore says, amended, into fixtures/api
"""
import json
import sys
from collections import Counter
from pathlib import Path

import botocore
import botocore.loaders

API = Path(__file__).resolve().parent / "../../fixtures/api"
SERVICES = ["bedrock-runtime", "bedrock", "bedrock-agent-runtime", "sts"]
LOADER = botocore.loaders.Loader()

# Traits of botocore's models that say nothing about what goes over the wire.
PROSE = {"documentation", "documentationUrl", "deprecatedMessage", "deprecatedSince", "box"}
OF_SERVICE = ("serviceId", "apiVersion", "endpointPrefix", "protocol", "signingName", "auth", "protocolSettings", "xmlNamespace", "globalEndpoint")
OF_OPERATION = {"name", "http", "input", "output", "errors", "idempotent", "readonly", "authtype", "auth"}
OF_MEMBER = {"shape", "location", "locationName", "idempotencyToken", "deprecated"}
OF_SHAPE = {
    "string": {"enum", "min", "max", "pattern", "sensitive"},
    "integer": {"min", "max", "sensitive"}, "long": {"min", "max", "sensitive"},
    "float": {"min", "max", "sensitive"}, "double": {"min", "max", "sensitive"},
    "boolean": set(), "blob": {"min", "max", "sensitive"}, "timestamp": {"timestampFormat"},
    "list": {"member", "min", "max", "sensitive"}, "map": {"key", "value", "min", "max", "sensitive"},
    "structure": {"members", "required", "union", "document", "eventstream", "event", "sensitive", "payload",
                  "exception", "error", "fault", "retryable"},
}
PLACES = {"uri": "path", "querystring": "query", "header": "headers"}
SCALARS = ("min", "max", "pattern", "sensitive")


class Published:
    """botocore's model of a service, in the form of fixtures/api."""

    def __init__(self, model, names):
        self.shapes, self.names, self.protocol = model["shapes"], names, model["metadata"]["protocol"]
        self.types, self.errors, self.unknown, self.counts = {}, {}, {}, Counter()
        self.operations = {n: self.operation(n, model["operations"][n]) for n in names if n in model["operations"]}

    def known(self, at, traits, known):
        for trait in traits.keys() - known - PROSE:
            self.unknown[f"{at}/{trait}"] = traits[trait]

    def operation(self, name, op):
        self.known(f"/operations/{name}", op, OF_OPERATION)
        self.known(f"/operations/{name}/http", op["http"], {"method", "requestUri", "responseCode"})
        request, response = self.side(op.get("input"), name), self.side(op.get("output"), name)
        streams = ["stream" in side.get("payload", {}) for side in (request, response)]
        out = {"method": op["http"]["method"], "uri": op["http"]["requestUri"], "status": op["http"].get("responseCode", 200),
               "streaming": {(False, False): "none", (False, True): "response", (True, True): "bidirectional"}.get(tuple(streams), "request")}
        out.update({k: True for k in ("readonly", "idempotent") if op.get(k)})
        if op.get("authtype") or op.get("auth"):
            out["auth"] = op.get("authtype", op.get("auth"))
        out.update(request=request, response=response, errors=[self.error(e["shape"]) for e in op.get("errors", [])])
        return out

    def side(self, ref, name):
        if ref is None:
            return {"body": {}}
        self.known(f"/operations/{name}", ref, {"shape", "resultWrapper"})
        if ref.get("resultWrapper", f"{name}Result") != f"{name}Result":  # what the mock writes (query protocol)
            self.unknown[f"/operations/{name}/resultWrapper"] = ref["resultWrapper"]
        shape = self.shapes[ref["shape"]]
        self.known(f"/shapes/{ref['shape']}", shape, OF_SHAPE["structure"] | {"type"})
        out, body = {"type": ref["shape"]}, {}
        for n, m in shape["members"].items():
            member = self.placed(ref["shape"], n, m, shape)
            place = PLACES.get(m.get("location"))
            if place:
                member["name"] = m.get("locationName", n)
                out.setdefault(place, {})[n] = member
            elif n == shape.get("payload"):
                out["payload"] = {**member, "member": n}
                if self.shapes[m["shape"]].get("eventstream"):
                    out["payload"]["stream"] = "eventstream"
            else:
                if m.get("location"):
                    self.unknown[f"/shapes/{ref['shape']}/{n}/location"] = m["location"]
                if "locationName" in m and m["locationName"] != n:
                    self.unknown[f"/shapes/{ref['shape']}/{n}/locationName"] = m["locationName"]
                body[n] = member
        if "payload" not in out:
            out["body"] = body
        self.counts["shapes"] += 1
        return {p: out[p] for p in ("type", "path", "query", "headers", "body", "payload") if p in out}

    def placed(self, shape_name, name, ref, shape):
        """A member of a structure, with what is said of it there."""
        self.known(f"/shapes/{shape_name}/{name}", ref, OF_MEMBER)
        out = self.value(ref["shape"], ref)
        if name in shape.get("required", []):
            out["req"] = True
        out.update({k: True for k in ("idempotencyToken", "deprecated") if ref.get(k)})
        self.counts["members"] += 1
        self.counts["constraints"] += "req" in out
        return out

    def value(self, name, ref=None):
        shape = self.shapes[name]
        kind = shape["type"]
        self.known(f"/shapes/{name}", shape, OF_SHAPE.get(kind, set()) | {"type"})
        if kind == "structure" and shape.get("document"):
            return {"t": "document"}
        if kind == "structure" or "enum" in shape:
            self.type(name, shape)
            return {"t": name}
        out = {"t": kind}
        if kind == "list":
            out["of"] = self.value(shape["member"]["shape"])
            self.known(f"/shapes/{name}/member", shape["member"], {"shape"})
        if kind == "map":
            out.update({k: self.value(shape[k]["shape"]) for k in ("key", "value")})
        if kind == "timestamp":
            stated = shape.get("timestampFormat") or ("iso8601" if self.protocol == "query" else None)
            out.update({"format": stated} if stated else {})
        out.update({k: shape[k] for k in SCALARS if k in shape})
        self.counts["constraints"] += sum(k in shape for k in ("min", "max", "pattern"))
        return out

    def type(self, name, shape):
        if name in self.types:
            return
        self.types[name] = out = {}  # before its members: a type may hold itself
        self.counts["shapes"] += 1
        if "enum" in shape:
            self.counts["enum values"] += len(shape["enum"])
            self.counts["constraints"] += 1
            for trait in ("min", "max", "pattern"):
                if trait in shape:
                    self.unknown[f"/shapes/{name}/{trait}"] = shape[trait]
            out.update(kind="enum", values=shape["enum"])
        elif shape.get("eventstream"):
            out.update(kind="eventstream", events={}, exceptions={})
            for n, m in shape["members"].items():
                self.counts["members"] += 1
                if self.shapes[m["shape"]].get("exception"):
                    out["exceptions"][n] = {"error": self.error(m["shape"]), "status": self.errors[m["shape"]]["status"]}
                else:
                    out["events"][n] = self.placed(name, n, m, shape)
        else:
            out["kind"] = "union" if shape.get("union") else "struct"
            out["members"] = {n: self.placed(name, n, m, shape) for n, m in shape["members"].items()}
            for n, m in shape["members"].items():
                for trait in ("location", "locationName"):
                    if m.get(trait, n) != n:
                        self.unknown[f"/shapes/{name}/{n}/{trait}"] = m[trait]
            out.update({"event": True} if shape.get("event") else {})
        if shape.get("sensitive"):
            out["sensitive"] = True

    def error(self, name):
        if name not in self.errors:
            shape = self.shapes[name]
            self.known(f"/shapes/{name}", shape, OF_SHAPE["structure"] | {"type"})
            error = shape.get("error", {})
            self.known(f"/shapes/{name}/error", error, {"httpStatusCode", "senderFault", "code"})
            self.errors[name] = out = {
                "status": error.get("httpStatusCode"),
                "fault": "server" if shape.get("fault") else "client" if error.get("senderFault") else None,
                "members": {n: self.placed(name, n, m, shape) for n, m in shape["members"].items()}}
            out.update({"retryable": shape["retryable"]} if "retryable" in shape else {})
            out.update({"code": error["code"]} if "code" in error else {})
            self.counts["shapes"] += 1
        return name


ABSENT = object()


def differences(ours, theirs, at=""):
    """(pointer, ours, theirs) where two trees part; lists are compared whole, since their order is told to users."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in list(theirs) + [k for k in ours if k not in theirs]:
            yield from differences(ours.get(key, ABSENT), theirs.get(key, ABSENT), f"{at}/{key.replace('~', '~0').replace('/', '~1')}")
    elif ours is ABSENT or theirs is ABSENT or type(ours) is bool or type(theirs) is bool:
        if ours is not theirs:
            yield at, ours, theirs
    elif ours != theirs:
        yield at, ours, theirs


def steps(pointer):
    return [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]


def show(value):
    return "absent" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def published(service, ours):
    """What botocore says of our operations, and the names of those that we do not have."""
    model = LOADER.load_service_model(service, "service-2")
    names = list(ours["operations"])
    theirs = Published(model, names)
    said = {k: model["metadata"][k] for k in OF_SERVICE if k in model["metadata"]}
    tree = {"service": said, "operations": theirs.operations, "errors": dict(sorted(theirs.errors.items())),
            "types": dict(sorted(theirs.types.items()))}
    return tree, theirs, [n for n in model["operations"] if n not in names]


def amended(amendments):
    """What the amendments explain: pointer -> what is published there."""
    return {at: a.get("published", ABSENT) for a in amendments for at in a["at"]}


def paged(service, operations):
    """Names that SDKs page and wait by, and that our members do not have."""
    found, seen = [], 0

    def has(side, expression):
        parts = expression.replace("[]", "").replace("[-1]", "").split("||")[0].split(".")
        return any(parts[0].strip() in operations[name][side].get(place, {}) for place in ("body", "query", "headers", "path"))

    pages = LOADER.load_service_model(service, "paginators-1")["pagination"]
    for name in [n for n in pages if n in operations]:
        for key, side in (("input_token", "request"), ("limit_key", "request"), ("output_token", "response"), ("result_key", "response")):
            names = pages[name].get(key, [])
            for expression in names if isinstance(names, list) else [names]:
                seen += 1
                found += [] if has(side, expression) else [f"/pagination/{name}/{key} {expression}"]
    try:
        waiters = LOADER.load_service_model(service, "waiters-2")["waiters"]
    except botocore.exceptions.UnknownServiceError:
        waiters = {}
    for waiter in [w for w in waiters.values() if w["operation"] in operations]:
        name = waiter["operation"]
        for a in waiter["acceptors"]:
            seen += 1
            if a["matcher"] == "error":
                # an exception of the model, or a code that is none
                found += [] if a["expected"] in operations[name]["errors"] else [f"/waiters/{name} error {a['expected']}"]
            elif a["matcher"] != "status" and not has("response", a["argument"]):
                found.append(f"/waiters/{name} {a['argument']}")
    return found, seen


def lines(tree):
    """The file's own layout: an operation, an error, a type a line."""
    def row(v):
        return json.dumps(v, ensure_ascii=False)
    parts = []
    for key, value in tree.items():
        if key in ("operations", "errors", "types"):
            parts.append(f' "{key}": {{\n' + ",\n".join(f'  {row(n)}: {row(v)}' for n, v in value.items()) + "\n }")
        elif key == "amendments" and value:
            parts.append(f' "{key}": [\n' + ",\n".join(f"  {row(v)}" for v in value) + "\n ]")
        else:
            parts.append(f' "{key}": {row(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def ordered(new, old):
    """The members of `new` as they stood in `old`, so that a renewed file differs where botocore does, and nowhere else."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return new
    keys = [k for k in old if k in new] + [k for k in new if k not in old]
    return {k: ordered(new[k], old.get(k)) for k in keys}


def renew(path, ours, theirs):
    for at in amended(ours["amendments"]):
        *way, last = steps(at)
        new, old = theirs, ours
        for step in way:
            new, old = new[step], old.get(step, {})
        if last in old:
            new[last] = old[last]
        else:
            new.pop(last, None)
    service = {**ours["service"], **theirs["service"]}
    source = {**ours["source"], "model": f"botocore {botocore.__version__}, " + ours["source"]["model"].rsplit(", ", 1)[1]}
    theirs = {k: dict(sorted(ordered(v, ours[k]).items())) if k in ("errors", "types") else ordered(v, ours[k]) for k, v in theirs.items()}
    path.write_text(lines({**ours, "source": source, **theirs, "service": service}))


def compare(service, counts):
    """The complaints about one service; `counts` gains what was compared."""
    path = API / f"{service}.json"
    ours = json.loads(path.read_text())
    tree, theirs, others = published(service, ours)
    if "--renew" in sys.argv:
        renew(path, ours, tree)
        return []
    explained, used, complaints = amended(ours["amendments"]), set(), []
    for at, mine, yours in differences({k: ours[k] for k in tree}, tree):
        if at in explained and explained[at] == (ABSENT if yours is ABSENT else yours):
            used.add(at)
        else:
            complaints.append(f"{at}: ours {show(mine)}, botocore's {show(yours)}")
    complaints += [f"{at}: the amendment explains no difference any more" for at in explained.keys() - used]
    complaints += [f"{at}: botocore's {show(v)} has no place in our form" for at, v in sorted(theirs.unknown.items())]
    absent, names = paged(service, ours["operations"])
    complaints += [f"{what}: our members have no such name" for what in absent]
    counts.update(theirs.counts)
    counts.update({"operations": len(tree["operations"]), "names of pages and waiters": names, "amended places": len(used)})
    print(f"ok drift {service} has {len(tree['operations'])} of botocore's {len(tree['operations']) + len(others)} operations")
    if others:
        print(f"    {service} without the {len(others)}: {', '.join(others)}")
    return complaints


def main():
    total = 0
    for service in SERVICES:
        counts = Counter()
        complaints = compare(service, counts)
        total += len(complaints)
        for c in complaints:
            print(f"not ok drift {service} {c}")
        what = ", ".join(f"{counts[k]} {k}" for k in counts)
        if not complaints and counts:
            print(f"ok drift {service} is as botocore {botocore.__version__} says: {what}")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
