"""shapes.py < METADATA > shapes.rs: the Rust SDK's types into JSON and back.

Rust has no reflection, and the SDK's types no serde; but their source is regular, so that what other languages do while
running is here made from it: for each service a module with an `impl Shape` for each struct, union and enum, and a function
for each operation. METADATA is what `cargo metadata` says of the driver, which is where the sources are.
"""
import json
import re
import sys
from pathlib import Path

SERVICES = {"bedrock-runtime": "aws-sdk-bedrockruntime", "bedrock": "aws-sdk-bedrock",
            "bedrock-agent-runtime": "aws-sdk-bedrockagentruntime", "sts": "aws-sdk-sts"}
BY_HAND = {"InvokeModelWithBidirectionalStream"}  # in dialogue.rs
STRUCT = re.compile(r"^pub struct (\w+) (?:\{\n(.*?)^\}|\{\})", re.M | re.S)
UNION = re.compile(r"^pub enum (\w+) \{\n(.*?)^\}", re.M | re.S)
FIELD = re.compile(r"^    pub ([\w#]+): (.*?),$(?=\n    [^ >]|\Z|\n\Z)", re.M | re.S)
VARIANT = re.compile(r"^    (\w+)\((.*)\),$", re.M)
NAMED = re.compile(r'orchestrator::Metadata::new\(\s*"(\w+)"')


def on_wire(service, snake):
    """A member as the service calls it; the only one with a word in capitals is spelled out."""
    if snake == "resource_arn":
        return "resourceARN"
    first, *rest = snake.removeprefix("r#").split("_")
    words = [word.capitalize() for word in rest]
    return "".join([first.capitalize() if service == "sts" else first, *words])


def lower_first(name):
    return name[0].lower() + name[1:]


class Service:
    """What is made of the source of one service."""

    def __init__(self, name, source):
        self.name, self.source = name, source

    def wire(self, field):
        return on_wire(self.name, field)

    def struct_in(self, path, fields):
        arms = "".join(f'                "{self.wire(f)}" => b = b.set_{f.removeprefix("r#")}(Some(Shape::make(v)?)),\n' for f in fields)
        return f"""    fn make(from: &Value) -> Result<Self, String> {{
        #[allow(unused_mut)]
        let mut b = <{path}>::builder();
        for (k, v) in object(from)? {{
            match k.as_str() {{
{arms}                other => {{ let _ = v; return Err(format!("{path} has no {{other}}")); }}
            }}
        }}
        b.build().built()
    }}
"""

    def struct_out(self, fields):
        puts = "".join(f'        put(&mut out, "{self.wire(f)}", &self.{f});\n' for f in fields)
        return f"""    fn plain(&self) -> Option<Value> {{
        #[allow(unused_mut)]
        let mut out = Map::new();
{puts}        Some(Value::Object(out))
    }}
"""

    def struct(self, path, fields):
        return f"impl Built for {path} {{ type Made = Self; fn built(self) -> Result<Self, String> {{ Ok(self) }} }}\n" \
               f"impl Shape for {path} {{\n{self.struct_in(path, fields)}{self.struct_out(fields)}}}\n"

    @staticmethod
    def union(path, variants):
        arms = "".join(f'            "{lower_first(v)}" => Ok({path}::{v}(Shape::make(value)?)),\n' for v in variants)
        outs = "".join(f'            {path}::{v}(x) => one("{lower_first(v)}", x),\n' for v in variants)
        return f"""impl Shape for {path} {{
    fn make(from: &Value) -> Result<Self, String> {{
        let (key, value) = object(from)?.iter().next().ok_or("a union of no member")?;
        match key.as_str() {{
{arms}            other => {{ let _ = value; Err(format!("{path} has no {{other}}")) }}
        }}
    }}
    fn plain(&self) -> Option<Value> {{
        match self {{
{outs}            _ => unknown(),
        }}
    }}
}}
"""

    @staticmethod
    def enum(path):
        return f"""impl Shape for {path} {{
    fn make(from: &Value) -> Result<Self, String> {{ Ok({path}::from(text(from)?)) }}
    fn plain(&self) -> Option<Value> {{ Some(self.as_str().into()) }}
}}
"""

    def types(self):
        for file in sorted((self.source / "types").glob("_*.rs")):
            code = file.read_text()
            for name, body in STRUCT.findall(code):
                if not name.endswith("Builder"):
                    yield self.struct(f"types::{name}", [f for f, _ in FIELD.findall(body)])
            for name, body in UNION.findall(code):
                variants = [v for v, kind in VARIANT.findall(body) if v != "Unknown"]
                if re.search(r"^    Unknown\(", body, re.M):
                    yield self.enum(f"types::{name}")
                elif name + "Error" not in code and variants:
                    yield self.union(f"types::{name}", variants)

    def operation(self, folder, name):
        """A function of its own for each: one future for all of them would have the size of all of them."""
        module = folder.name
        (given,), (made,) = [[(n, FIELD.findall(body or "")) for n, body in STRUCT.findall((folder / f"_{module}_{side}.rs").read_text())
                              if not n.endswith("Builder")] for side in ("input", "output")]
        stream = next((f for f, kind in made[1] if "EventReceiver" in kind), None)
        puts = "".join(f'put(&mut shape, "{self.wire(f)}", &out.{f}); ' for f, _ in made[1])
        end = f"follow!(out.{stream}, answer)" if stream else "{ #[allow(unused_mut)] let mut shape = Map::new(); " + puts + \
            'answer.insert("result".into(), "answer".into()); answer.insert("output".into(), Value::Object(shape)); }'
        sets = "".join(f".set_{f.removeprefix('r#')}(input.{f})" for f, _ in given[1])
        yield self.struct(f"operation::{module}::{given[0]}", [f for f, _ in given[1]])
        yield f"async fn {module}(client: &Client, from: &Value, answer: &mut Map<String, Value>) -> Result<(), String> {{\n" \
              f"    #[allow(unused_variables)]\n    let input: operation::{module}::{given[0]} = Shape::make(from)?;\n" \
              f"    match client.{module}(){sets}.send().await {{\n" \
              f"        Err(e) => refused!(e, answer),\n        Ok(out) => {{ identify(&out, answer); {end} }}\n    }}\n    Ok(())\n}}\n"

    def operations(self):
        names = {p: NAMED.search(p.with_suffix(".rs").read_text())[1] for p in sorted((self.source / "operation").iterdir()) if p.is_dir()}
        for folder, name in names.items():
            if name not in BY_HAND:
                yield from self.operation(folder, name)
        listed = ", ".join(f'"{self.name} {name}"' for name in names.values())
        arms = "".join(f'        "{name}" => Box::pin({folder.name}(client, from, answer)).await,\n' for folder, name in names.items() if name not in BY_HAND)
        yield f"pub const OPERATIONS: &[&str] = &[{listed}];\n"
        yield "pub async fn call(client: &Client, operation: &str, from: &Value, answer: &mut Map<String, Value>) -> Result<(), String> {\n" \
              "    match operation {\n" + arms + '        other => Err(format!("no operation is called {other}")),\n    }\n}\n'

    def errors(self):
        """What errors say beyond their message."""
        yield "pub fn more_of(e: &(dyn std::error::Error + 'static), out: &mut Map<String, Value>) {\n    let _ = (e, &out);\n"
        for file in sorted((self.source / "types" / "error").glob("_*.rs")):
            for name, body in STRUCT.findall(file.read_text()):
                puts = "".join(f' put(out, "{self.wire(f)}", &e.{f});' for f, _ in FIELD.findall(body or "") if f != "message")
                if puts and not name.endswith("Builder"):
                    yield f"    if let Some(e) = e.downcast_ref::<types::error::{name}>() {{{puts} }}\n"
        yield "}\n"

    def module(self, crate):
        return f"pub mod {self.name.replace('-', '_')} {{\nuse super::*;\nuse {crate.replace('-', '_')}::{{operation, types, Client}};\n" \
               f"{''.join([*self.types(), *self.errors(), *self.operations()])}}}\n"


def main():
    folders = {p["name"]: Path(p["manifest_path"]).parent / "src" for p in json.load(sys.stdin)["packages"]}
    print("// Made by shapes.py from the sources of the SDK.\nuse super::*;\n")
    for name, crate in SERVICES.items():
        print(Service(name, folders[crate]).module(crate))


main()
