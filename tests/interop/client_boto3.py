"""client_boto3.py: every row of behaviours.json through boto3.

What is not boto3 is in rows.py. Starts nothing; run.sh says in the environment where the mocks are. Arguments: names of
rows to run. Prints `ok name` or `not ok name: why`.
"""
import datetime
import os
import sys

import boto3
import botocore.auth
from botocore.config import Config
from rows import TABLE, Assembly, plain, request_of, revive, run_all, service_of, unary

SESSION = boto3.session.Session()  # one for all: it keeps the services' descriptions, which take long to read
REAL_NOW = botocore.auth.get_current_datetime


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
    client = SESSION.client(
        service_of(row), region_name=c.get("region", "us-east-1"), endpoint_url=url, config=config,
        verify=os.environ["SSL_CERT_FILE"], aws_access_key_id=keys["accessKeyId"], aws_secret_access_key=keys["secretAccessKey"],
        aws_session_token=keys.get("sessionToken"))
    if "tamper" in c:
        client.meta.events.register(f"before-send.{service_of(row)}.*", tamper(c["tamper"]))
    return client


def error_of(e):
    out = {"class": type(e).__name__, "name": type(e).__name__, "message": str(e)}
    response = getattr(e, "response", None)
    if isinstance(response, dict):
        meta = response.get("ResponseMetadata", {})
        out.update({k: v for k, v in response.items() if k not in ("Error", "ResponseMetadata", "message")})
        out.update(name=response["Error"].get("Code"), message=response["Error"].get("Message"),
                   status=meta.get("HTTPStatusCode"), request_id=meta.get("RequestId"),
                   retry_after=meta.get("HTTPHeaders", {}).get("retry-after"))
    return {k: plain(v) for k, v in out.items() if v is not None}


def outcome(row, client):
    names = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
    try:
        response = getattr(client, names[row["operation"]])(**revive(request_of(row)))
    except Exception as e:  # whatever the SDK throws is the outcome
        return {"result": "refused", "error": error_of(e)}
    meta = response.pop("ResponseMetadata")
    meta = {"status": meta["HTTPStatusCode"], "request_id": meta.get("RequestId")}
    if not row["operation"].endswith("Stream"):
        if "body" in response:
            response["body"] = response["body"].read()
        return unary(row["operation"], plain(response), **meta)
    return follow(response["stream"] if "stream" in response else response["body"], meta)


def follow(stream, meta):
    assembly = Assembly()
    try:
        for event in stream:
            kind = next(iter(event), "")
            assembly.take(kind, plain(event[kind]) if kind else {})
    except Exception as e:
        return assembly.outcome(**{**meta, "result": "stream broke", "error": error_of(e)})
    finally:
        stream.close()
    return assembly.outcome(**meta)


def call(row, url):
    client = make_client(row, url)
    try:
        return outcome(row, client)
    finally:
        client.close()


if __name__ == "__main__":
    run_all("boto3", call, sys.argv[1:])
