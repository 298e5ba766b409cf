"""client_compat.py: OpenAI's and Anthropic's own clients against the compatible endpoints of the mock.

Each row is a function with the claim as its name; what it asserts is what an application sees: objects of the client, pieces of its
streams, its exceptions. run.sh says in the environment where the mocks are. Arguments: beginnings of names of rows to run. Prints
`ok name` or `not ok name: why`.
"""
import json
import os
import sys
import urllib.request

import anthropic
import openai
from anthropic import AnthropicBedrockMantle
from openai.providers import bedrock as openai_bedrock

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
OSS, CLAUDE = "openai.gpt-oss-20b", "anthropic.claude-3-haiku-20240307-v1:0"
HELLO = [{"role": "user", "content": "hello"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOLD = {"content": [{"reasoningContent": {"reasoningText": {"text": "Hm, Rome.", "signature": "c2ln"}}}, {"text": "Let me look."},
                    {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "Rome"}}}],
        "usage": {"inputTokens": 11, "outputTokens": 7}}


def admin(method, path, body=None):
    request = urllib.request.Request(os.environ["LENIENT_ADMIN"] + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def script(*replies):
    admin("POST", "/script", {"replies": [{"reply": r} for r in replies]})


def mantle(url="LENIENT", key="ABSK-of-the-tests", **more):
    return openai.OpenAI(base_url=os.environ[url] + "/v1", api_key=key, max_retries=0, timeout=20, **more)


def runtime():
    return openai.OpenAI(base_url=os.environ["LENIENT"] + "/openai/v1", api_key="ABSK-of-the-tests", max_retries=0, timeout=20)


def signed(endpoint, url="STRICT", secret=SECRET):
    provider = openai_bedrock(endpoint=endpoint, region="us-east-1", base_url=os.environ[url] + "/openai/v1", access_key_id=KEY,
                              secret_access_key=secret)
    return openai.OpenAI(provider=provider, max_retries=0, timeout=20)


def claude(url="LENIENT", key="ABSK-of-the-tests"):
    return anthropic.Anthropic(base_url=os.environ[url] + "/anthropic", api_key=key, max_retries=0, timeout=20)


def raises(kind, call, status=None):
    try:
        call()
    except kind as e:
        assert type(e) is kind and (status is None or e.status_code == status), f"{type(e).__name__}: {e}"
        return e
    raise AssertionError(f"no {kind.__name__}")


# ---- chat completions ----

def chat_answers():
    answer = mantle().chat.completions.create(model=OSS, messages=HELLO, reasoning_effort="low")
    message = answer.choices[0].message
    assert "hello" in message.content and answer.choices[0].finish_reason == "stop" and message.refusal is None
    assert len(message.reasoning) > 10 and answer.service_tier == "default"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 10
    assert answer._request_id.startswith("req_")


def chat_streams():
    script(TOLD)
    text, reasoning, arguments, usage, finish = "", "", "", None, None
    for chunk in runtime().chat.completions.create(model=OSS, messages=HELLO, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning", None) or ""
            arguments += "".join(c.function.arguments or "" for c in choice.delta.tool_calls or [])
            finish = choice.finish_reason or finish
    assert (text, reasoning, arguments) == ("Let me look.", "Hm, Rome.", '{"city":"Rome"}'), (text, reasoning, arguments)
    assert finish == "tool_calls" and usage.total_tokens == 18


def chat_stream_helper_accumulates():
    script(TOLD)
    with mantle().chat.completions.stream(model=OSS, messages=HELLO) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.name == "weather"


def chat_calls_tools_and_takes_results():
    client = mantle()
    tool = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    first = client.chat.completions.create(model=OSS, messages=HELLO, tools=[tool], tool_choice="required")
    call = first.choices[0].message.tool_calls[0]
    assert call.function.name == "weather" and "city" in json.loads(call.function.arguments)
    second = client.chat.completions.create(model=OSS, tools=[tool], messages=HELLO + [
        first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}])
    assert "sunny" in second.choices[0].message.content


def chat_keeps_to_a_schema():
    shape = {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}}
    answer = mantle().chat.completions.create(model=OSS, messages=HELLO, response_format=shape)
    assert set(json.loads(answer.choices[0].message.content)) == {"city"}


def chat_stream_ends_with_an_error():
    script({"text": "a b c d", "faults": [{"id": "exception", "type": "throttlingException", "message": "enough", "at_event": 3}]})
    seen = []
    e = raises(openai.APIError, lambda: seen.extend(mantle().chat.completions.create(model=OSS, messages=HELLO, stream=True)))
    assert len(seen) == 3 and "enough" in str(e)


# ---- responses ----

def responses_answer():
    script(TOLD)
    answer = mantle().responses.create(model=OSS, input="hello")
    assert [o.type for o in answer.output] == ["reasoning", "message", "function_call"] and answer.output_text == "Let me look."
    assert answer.output[0].content[0].text == "Hm, Rome." and answer.output[2].call_id == "tooluse_1"
    assert answer.status == "completed" and answer.usage.total_tokens == 18 and len(answer.id) == 57


def responses_stream():
    script(TOLD)
    events = list(runtime().responses.create(model=OSS, input="hello", stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "Let me look."
    assert "".join(e.delta for e in events if e.type == "response.reasoning_text.delta") == "Hm, Rome."
    assert "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta") == '{"city":"Rome"}'
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert [e.sequence_number for e in events] == list(range(len(events)))


def responses_stream_helper_accumulates():
    with runtime().responses.stream(model=OSS, input="hello") as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert "hello" in final.output_text


def responses_are_cut_short():
    answer = mantle().responses.create(model=OSS, input="hello", max_output_tokens=3)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"


def responses_call_tools_and_take_results():
    client = mantle()
    tool = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    first = client.responses.create(model=OSS, input="hello", tools=[tool], tool_choice={"type": "function", "name": "weather"})
    call = first.output[0]
    assert call.type == "function_call" and call.name == "weather"
    second = client.responses.create(model=OSS, tools=[tool], input=HELLO + [
        call.to_dict(), {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}])
    assert "sunny" in second.output_text


def responses_go_on_and_are_kept():
    client = mantle()
    first = client.responses.create(model=OSS, input="my name is Ann")
    second = client.responses.create(model=OSS, input="and?", previous_response_id=first.id)
    assert second.previous_response_id == first.id and second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(first.id).output_text == first.output_text
    client.responses.delete(first.id)
    raises(openai.NotFoundError, lambda: client.responses.retrieve(first.id), 404)
    raises(openai.BadRequestError, lambda: client.responses.create(model=OSS, input="x", previous_response_id=first.id), 400)


def responses_work_in_the_background():
    client = mantle()
    answer = client.responses.create(model=OSS, input="a long story", background=True)
    assert answer.status == "queued" and client.responses.retrieve(answer.id).status == "queued"
    admin("POST", "/clock", {"advance_ms": 60000})
    assert client.responses.retrieve(answer.id).status == "completed"
    other = client.responses.create(model=OSS, input="another", background=True)
    assert client.responses.cancel(other.id).status == "cancelled"


def models_are_listed():
    models = list(mantle().models.list())
    assert OSS in [m.id for m in models] and mantle().models.retrieve(OSS).id == OSS


# ---- messages ----

def messages_answer():
    script(TOLD)
    answer = claude().messages.create(model=CLAUDE, max_tokens=64, messages=HELLO)
    assert [b.type for b in answer.content] == ["thinking", "text", "tool_use"] and answer.content[2].input == {"city": "Rome"}
    assert answer.stop_reason == "tool_use" and answer.usage.output_tokens == 7 and answer._request_id.startswith("req_")


def messages_stream():
    script(TOLD)
    with claude().messages.stream(model=CLAUDE, max_tokens=64, messages=HELLO) as stream:
        types = [e.type for e in stream]
        final = stream.get_final_message()
    assert types[0] == "message_start" and types[-1] == "message_stop"
    assert [b.type for b in final.content] == ["thinking", "text", "tool_use"] and final.content[0].signature == "c2ln"
    assert final.content[2].input == {"city": "Rome"} and final.usage.output_tokens == 7


def messages_stream_ends_with_an_error():
    script({"text": "a b c d", "faults": [{"id": "exception", "type": "throttlingException", "message": "enough", "at_event": 4}]})
    e = raises(anthropic.APIStatusError, lambda: list(claude().messages.create(model=CLAUDE, max_tokens=64, messages=HELLO, stream=True)))
    assert "enough" in str(e)


def messages_are_counted():
    n = claude().messages.count_tokens(model=CLAUDE, messages=HELLO).input_tokens
    assert n == claude().messages.create(model=CLAUDE, max_tokens=9, messages=HELLO).usage.input_tokens > 0


def messages_cache_prompts():
    model = "anthropic.claude-haiku-4-5-20251001-v1:0"
    system = [{"type": "text", "text": "word " * 6000, "cache_control": {"type": "ephemeral"}}]
    ask = lambda: claude().messages.create(model=model, max_tokens=9, system=system, messages=HELLO).usage
    written = ask().cache_creation_input_tokens
    assert written > 4000 and ask().cache_read_input_tokens == written


# ---- signatures ----

def openai_signs_for_mantle():
    assert signed("mantle").responses.create(model=OSS, input="hello").status == "completed"
    assert signed("mantle").chat.completions.create(model=OSS, messages=HELLO).choices[0].finish_reason == "stop"


def openai_signs_for_the_runtime():
    assert signed("runtime").chat.completions.create(model=OSS, messages=HELLO).choices[0].finish_reason == "stop"
    e = raises(openai.AuthenticationError, lambda: signed("runtime", secret="wrong").responses.create(model=OSS, input="x"), 401)
    assert "signature" in str(e)


def anthropic_signs_for_mantle():
    client = AnthropicBedrockMantle(base_url=os.environ["STRICT"] + "/anthropic", aws_access_key=KEY, aws_secret_key=SECRET, aws_region="us-east-1",
                                    max_retries=0, timeout=20)
    assert client.messages.create(model=CLAUDE, max_tokens=64, messages=HELLO).stop_reason == "end_turn"


# ---- errors ----

def errors_are_typed_by_openai():
    chat = lambda **more: mantle().chat.completions.create(**{"model": OSS, "messages": HELLO, **more})
    e = raises(openai.BadRequestError, lambda: chat(temperature=3), 400)
    assert e.param == "temperature" and e.code == "decimal_above_max_value" and e.type == "invalid_request_error"
    assert raises(openai.NotFoundError, lambda: chat(model="gpt-4"), 404).code == "model_not_found"
    assert "does not support" in str(raises(openai.BadRequestError, lambda: chat(model=CLAUDE), 400))
    raises(openai.AuthenticationError, lambda: mantle("STRICT", "ABSK-unknown").models.list(), 401)
    for kind, name, status in ((openai.RateLimitError, "ThrottlingException", 429), (openai.InternalServerError, "InternalServerException", 500),
                               (openai.InternalServerError, "ServiceUnavailableException", 503),
                               (openai.PermissionDeniedError, "AccessDeniedException", 403)):
        script({"error": {"type": name, "message": "told so"}})
        assert "told so" in str(raises(kind, chat, status))


def errors_are_typed_by_anthropic():
    ask = lambda **more: claude().messages.create(**{"model": CLAUDE, "max_tokens": 64, "messages": HELLO, **more})
    e = raises(anthropic.BadRequestError, lambda: ask(extra_body={"temperature": 2}), 400)
    assert e.body["error"]["type"] == "invalid_request_error" and "temperature" in str(e)
    raises(anthropic.NotFoundError, lambda: ask(model="claude-nobody-knows"), 404)
    raises(anthropic.AuthenticationError, lambda: claude("STRICT", "ABSK-unknown").messages.create(model=CLAUDE, max_tokens=9, messages=HELLO), 401)
    for kind, name, status in ((anthropic.RateLimitError, "ThrottlingException", 429), (anthropic.InternalServerError, "InternalServerException", 500),
                               (anthropic.PermissionDeniedError, "AccessDeniedException", 403)):
        script({"error": {"type": name, "message": "told so"}})
        assert "told so" in str(raises(kind, ask, status))


def a_throttle_is_tried_again():
    script({"error": {"type": "ThrottlingException", "headers": [["Retry-After", "0"]]}})
    client = openai.OpenAI(base_url=os.environ["LENIENT"] + "/v1", api_key="ABSK", max_retries=2, timeout=20)
    assert client.chat.completions.create(model=OSS, messages=HELLO).choices[0].finish_reason == "stop"


def main(wanted):
    rows = [(n.replace("_", "-"), f) for n, f in globals().items() if callable(f) and getattr(f, "__module__", "") == "__main__"]
    helpers = {"admin", "script", "mantle", "runtime", "signed", "claude", "raises", "main"}
    for name, row in rows:
        if name in helpers or (wanted and not any(f"compat/{name}".startswith(w) for w in wanted)):
            continue
        try:
            admin("POST", "/reset", {})
            row()
            print(f"ok compat compat/{name}", flush=True)
        except Exception as e:  # whatever it is, it is this row's failure
            where = "" if str(e) else f"line {e.__traceback__.tb_next.tb_lineno}"
            print(f"not ok compat compat/{name}: {type(e).__name__}: {where}{str(e)[:300]}".replace("\n", " "), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
