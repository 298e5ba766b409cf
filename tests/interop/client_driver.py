"""client_driver.py NAME COMMAND... [-- ROW...]: every row of behaviours.json through an SDK of another language.

The command is a program that makes calls and judges nothing: it reads a line of JSON for each call, and answers with one
(README.md, "Drivers"). What it says is brought into an outcome here and judged by rows.py. Rows of operations that the
program was not written for are left out. Prints `ok name` or `not ok name: why`.
"""
import base64
import json
import select
import subprocess
import sys

import dialogue
from rows import TABLE, Assembly, request_of, run_all, service_of, unary, walk

PATIENCE_S = 90  # for one call with all its tries


class Driver:
    """One process for all rows; a new one when it died or hung, so that the other rows are still run."""

    def __init__(self, command):
        self.command, self.process = command, None

    def ask(self, question):
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.end(kill=True)
            raise RuntimeError("the client program died" if ready else f"the client program said nothing for {PATIENCE_S} s")
        return json.loads(line)

    def end(self, kill=False):
        process, self.process = self.process, None
        if process is not None:
            if kill:
                process.kill()
            process.stdin.close()
            process.wait()


def readable(v):
    """Drivers give all bytes as {"$base64": ...}; those that are text are easier to read as {"$bytes": ...}."""
    def change(x):
        if set(x) != {"$base64"}:
            return x
        try:
            return {"$bytes": base64.b64decode(x["$base64"]).decode("utf-8")}
        except UnicodeDecodeError:
            return x
    return walk(v, change)


def question(row, url):
    client = dict(row.get("client", {}))
    client["credentials"] = {**TABLE["credentials"], **client.get("credentials", {})}
    talk = {"dialogue": dialogue.steps(row)} if "dialogue" in row else {}
    return {"url": url, "service": service_of(row), "operation": row["operation"], "input": request_of(row), "client": client, **talk,
            "attempts": row.get("attempts", 3 if "as" in row else 1), "unchecked": row.get("unchecked", False)}


def outcome(row, said):
    said = {k: v for k, v in readable(said).items() if v is not None}
    if "error" in said:
        said["error"] = {k: v for k, v in said["error"].items() if v is not None}
    result, events, output = said.pop("result"), said.pop("events", None), said.pop("output", {})
    if result == "answer":
        return unary(row["operation"], output, **said)
    if events is None:
        return {"result": result, **said}
    if "dialogue" in row:
        return dialogue.outcome(result, events, **said)
    assembly = Assembly()
    for kind, value in events:
        assembly.take(kind, value)
    return assembly.outcome(**{**said, "result": result})


def main(client, command, wanted):
    driver = Driver(command)
    operations = set(driver.ask({"list": True}))  # "service Operation"; "service *" for all of a service

    def written(row):
        """Whether the driver has the row's operation, and those of the calls that come before it."""
        return all(operations & {f"{service_of(step)} {step['operation']}", f"{service_of(step)} *"}
                   for step in [row, *row.get("before", [])])

    try:
        run_all(client, lambda row, url: outcome(row, driver.ask(question(row, url))), wanted, written)
    finally:
        driver.end()


if __name__ == "__main__":
    given = sys.argv[2:]
    cut = given.index("--") if "--" in given else len(given)
    main(sys.argv[1], given[:cut], given[cut + 1:])
