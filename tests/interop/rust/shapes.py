"""shapes.py SOURCE > shapes.rs: the Rust SDK's types into JSON and back.

Rust has no reflection, and the SDK's types no serde; but their source is regular, so that what other languages do while
running is here made from it: an `impl Shape` for each struct, union and enum, and a function for each operation.
SOURCE is the src folder of aws-sdk-bedrockruntime.
"""
import re
import sys
from pathlib import Path

SOURCE = Path(sys.argv[1])
STRUCT = re.compile(r"^pub struct (\w+) (?:\{\n(.*?)^\}|\{\})", re.M | re.S)
UNION = re.compile(r"^pub enum (\w+) \{\n(.*?)^\}", re.M | re.S)
FIELD = re.compile(r"^    pub ([\w#]+): (.*),$", re.M)
VARIANT = re.compile(r"^    (\w+)\((.*)\),$", re.M)


def camel(snake):
    first, *rest = snake.removeprefix("r#").split("_")
    return first + "".join(word.capitalize() for word in rest)


def lower_first(name):
    return name[0].lower() + name[1:]


def struct_in(path, fields):
    arms = "".join(f'                "{camel(f)}" => b = b.set_{f.removeprefix("r#")}(Some(Shape::make(v)?)),\n' for f in fields)
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


def struct_out(fields):
    puts = "".join(f'        put(&mut out, "{camel(f)}", &self.{f});\n' for f in fields)
    return f"""    fn plain(&self) -> Option<Value> {{
        #[allow(unused_mut)]
        let mut out = Map::new();
{puts}        Some(Value::Object(out))
    }}
"""


def struct(path, fields):
    return f"impl Built for {path} {{ type Made = Self; fn built(self) -> Result<Self, String> {{ Ok(self) }} }}\n" \
           f"impl Shape for {path} {{\n{struct_in(path, fields)}{struct_out(fields)}}}\n"


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


def enum(path):
    return f"""impl Shape for {path} {{
    fn make(from: &Value) -> Result<Self, String> {{ Ok({path}::from(text(from)?)) }}
    fn plain(&self) -> Option<Value> {{ Some(self.as_str().into()) }}
}}
"""


def types():
    for file in sorted((SOURCE / "types").glob("_*.rs")):
        code = file.read_text()
        for name, body in STRUCT.findall(code):
            if not name.endswith("Builder"):
                yield struct(f"types::{name}", [f for f, _ in FIELD.findall(body)])
        for name, body in UNION.findall(code):
            variants = [v for v, kind in VARIANT.findall(body) if v != "Unknown"]
            if re.search(r"^    Unknown\(", body, re.M):
                yield enum(f"types::{name}")
            elif name + "Error" not in code and variants:
                yield union(f"types::{name}", variants)


def operations():
    listed, arms = [], []
    for folder in sorted(p for p in (SOURCE / "operation").iterdir() if p.is_dir()):
        module = folder.name
        if module.endswith("bidirectional_stream"):
            continue
        name = "".join(word.capitalize() for word in module.split("_"))
        given, made = [dict(STRUCT.findall((folder / f"_{module}_{side}.rs").read_text())) for side in ("input", "output")]
        fields = [f for f, _ in FIELD.findall(given[name + "Input"])]
        outs = [f for f, kind in FIELD.findall(made[name + "Output"])]
        yield struct(f"operation::{module}::{name}Input", fields)
        stream = next((f for f, kind in FIELD.findall(made[name + "Output"]) if "EventReceiver" in kind), None)
        end = f"follow!(out.{stream}, answer)" if stream else \
            "{ let mut shape = Map::new(); " + "".join(f'put(&mut shape, "{camel(f)}", &out.{f}); ' for f in outs) + \
            'answer.insert("result".into(), "answer".into()); answer.insert("output".into(), Value::Object(shape)); }'
        sets = "".join(f".set_{f.removeprefix('r#')}(input.{f})" for f in fields)
        listed.append(f'"bedrock-runtime {name}"')
        arms.append(f'        "{name}" => {{\n            let input: operation::{module}::{name}Input = Shape::make(from)?;\n'
                    f"            match client.{module}(){sets}.send().await {{\n"
                    f"                Err(e) => refused!(e, answer),\n                Ok(out) => {{ identify(&out, answer); {end} }}\n"
                    "            }\n        }\n")
    yield f"pub const OPERATIONS: &[&str] = &[{', '.join(listed)}];\n"
    yield "pub async fn call(client: &Client, operation: &str, from: &Value, answer: &mut Map<String, Value>) -> Result<(), String> {\n" \
          "    match operation {\n" + "".join(arms) + '        other => return Err(format!("no operation is called {other}")),\n    }\n    Ok(())\n}\n'


print("// Made by shapes.py from the source of the SDK.\nuse super::*;\n")
print("".join([*types(), *operations()]))
