"""dialogue.py: rows of bidi.json, which talk while they listen (InvokeModelWithBidirectionalStream).

A row has a `dialogue` of steps: events to send, an answer to wait for before the next ones go, the end of the client's half, or
leaving. Here the names of events become events, as text, and what came back becomes an outcome; a driver only moves bytes.
"""
import base64
import json
import struct
from pathlib import Path

TABLE = json.loads((Path(__file__).resolve().parent / "bidi.json").read_text())
ROWS = [{**TABLE["usual"], **row} for row in TABLE["rows"]]
HERTZ_OUT = 24000  # as every promptStart of the table asks


def audio(ms, loud):
    """16-bit PCM of 16 kHz: a tone, or silence."""
    samples = [(8000 if i % 32 < 16 else -8000) if loud else 0 for i in range(ms * 16)]
    content = base64.b64encode(struct.pack(f"<{len(samples)}h", *samples)).decode()
    return {"audioInput": {"promptName": "p", "contentName": "a", "content": content}}


def events(word):
    """A word of `send`: the name of events, {"audio": ms}, {"silence": ms}, or an event as it is."""
    if isinstance(word, str):
        return TABLE["events"][word]
    if "audio" in word or "silence" in word:
        return [audio(word.get("audio") or word["silence"], "audio" in word)]
    return [word]


def steps(row):
    """For the driver: each event is the text of a chunk; `$toolUseId` in it is for the driver to fill in."""
    def step(s):
        return {"send": [json.dumps({"event": e}) for word in s["send"] for e in events(word)]} if "send" in s else s
    return [step(s) for s in row["dialogue"]]


def outcome(result, said, **more):
    """`said` is a list of [type, {"bytes": {"$bytes": text}}, how many events were sent by then]."""
    all_, first, counts, shape = [], {}, {}, []
    for _, value, sent in said:
        (name, event), = json.loads(value["bytes"]["$bytes"])["event"].items()
        all_.append({"event": name, "sent": sent, **event})
        first.setdefault(name, all_[-1])
        counts[name] = counts.get(name, 0) + 1
        form = ":".join(str(part) for part in (name, *(event.get(k) for k in ("type", "role", "stopReason"))) if part)
        if shape[-1:] != [form]:
            shape.append(form)
    texts = [e for e in all_ if e["event"] == "textOutput"]
    samples = sum(len(base64.b64decode(e["content"])) // 2 for e in all_ if e["event"] == "audioOutput")
    return {"result": result, **more, "shape": shape, "first": first, "last": all_[-1] if all_ else None, "counts": counts,
            "heard": [e["content"] for e in texts if e.get("role") == "USER"],
            "words": [e["content"] for e in texts if e.get("role") == "ASSISTANT"],
            "audio_ms": samples * 1000 // HERTZ_OUT, "odd_ms": samples * 1000 // HERTZ_OUT % 40}
