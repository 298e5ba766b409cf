"""sts-boto3.py PORT ADMIN: boto3's STS client against a strict mock, and its runtime client with what STS gave out.
Prints one line a claim; the exit code is the number of those that do not hold."""
import base64
import json
import sys
import urllib.request

import boto3
import botocore.exceptions
from botocore import UNSIGNED
from botocore.config import Config

PORT, ADMIN = sys.argv[1:3]
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
KEY = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
ROLE = "arn:aws:iam::210987654321:role/path/Gateway"
QUIET = Config(retries={"total_max_attempts": 1})
failed = 0


def client(name, config=QUIET, **keys):
    return boto3.client(name, region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{PORT}", config=config, **keys)


def session(credentials):
    return {"aws_access_key_id": credentials["AccessKeyId"], "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"]}


def claim(what, holds, seen=""):
    global failed
    failed += not holds
    print("ok" if holds else "not ok", what, "" if holds else f": {seen}")


def refused(call, code, words):
    try:
        return False, f"it answered {call()}"
    except botocore.exceptions.ClientError as e:
        error = e.response["Error"]
        return error["Code"] == code and words in error["Message"], error


def converse(keys):
    return client("bedrock-runtime", **keys).converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "hi"}]}])


def clock(body):
    request = urllib.request.Request(f"http://127.0.0.1:{ADMIN}/clock", data=json.dumps(body).encode())
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).read()


sts = client("sts", **KEY)
who = sts.get_caller_identity()
claim("the caller is the key's user", who["Arn"].endswith(":user/AKIAIOSFODNN7EXAMPLE") and who["Account"] == "123456789012", who)

role = sts.assume_role(RoleArn=ROLE, RoleSessionName="mohs", DurationSeconds=900, ExternalId="axyz",
                       Tags=[{"Key": "team", "Value": "a = b+c"}], TransitiveTagKeys=["team"],
                       Policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
keys = session(role["Credentials"])
claim("a role's session is named", role["AssumedRoleUser"]["Arn"] == "arn:aws:sts::210987654321:assumed-role/Gateway/mohs", role)
claim("an expiry is a time", role["Credentials"]["Expiration"].tzinfo is not None, role)
claim("its credentials sign for Bedrock", converse(keys)["stopReason"] == "end_turn")
who = client("sts", **keys).get_caller_identity()
claim("and say who they are", who["Arn"].endswith("assumed-role/Gateway/mohs") and who["Account"] == "210987654321", who)

part = lambda tree: base64.urlsafe_b64encode(json.dumps(tree).encode()).decode().rstrip("=")
token = ".".join([part({"alg": "RS256"}), part({"sub": "pod-1", "iss": "https://idp.example", "aud": "sts.amazonaws.com"}), "c2ln"])
web = client("sts", Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})).assume_role_with_web_identity(
    RoleArn=ROLE, RoleSessionName="web", WebIdentityToken=token)
claim("a web identity is read", (web["SubjectFromWebIdentityToken"], web["Provider"], web["Audience"]) ==
      ("pod-1", "https://idp.example", "sts.amazonaws.com"), web)
claim("its credentials sign, too", converse(session(web["Credentials"]))["stopReason"] == "end_turn")
mine = session(sts.get_session_token()["Credentials"])
claim("a user's own session signs, too", converse(mine)["stopReason"] == "end_turn")

without = dict(keys)
del without["aws_session_token"]
claim("no token, no entry", *refused(lambda: converse(without), "UnrecognizedClientException", "security token"))
claim("a bad session name is told", *refused(lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="a b"), "ValidationError",
                                             "Value 'a b' at 'roleSessionName' failed to satisfy constraint"))
claim("a policy must be JSON", *refused(lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="ab", Policy="{"),
                                        "MalformedPolicyDocument", "Syntax errors"))
bad = client("sts", aws_access_key_id="AKIANOBODY", aws_secret_access_key="x")
claim("a stranger is told", *refused(bad.get_caller_identity, "InvalidClientTokenId", "security token"))
clock({"set": (role["Credentials"]["Expiration"]).strftime("%Y-%m-%dT%H:%M:%SZ")})
import botocore.auth  # noqa: E402  the client's clock goes along, or its signature would be too old
then = role["Credentials"]["Expiration"].replace(tzinfo=None)
botocore.auth.get_current_datetime = lambda remove_tzinfo=True: then
claim("and they expire", *refused(lambda: converse(keys), "ExpiredTokenException", "is expired"))
sys.exit(failed)
