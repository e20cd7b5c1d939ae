"""The gateway as clients see it: authentication errors, protocols, request ids."""

import gzip
import hashlib
import json
import logging
import subprocess
import sys
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lowcloud.api.aws.access.permissions import NOTHING
from lowcloud.api.aws.gateway import Gateway
from lowcloud.api.aws.operations import Operation
from lowcloud.core.context import Context
from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.gateways import make_context, serving
from tests.support.servers.wire_client import exchange, send, sign
from tests.support.waiting import wait_for

AWS = Path(sys.executable).with_name("aws")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A gateway in this process, so that its log can be read."""
    context = make_context(tmp_path_factory.mktemp("gateway") / "home")
    gateway = Gateway(context)
    with serving(gateway) as served:
        yield served
    gateway.close()
    context.database.close()


def code_of(call, *arguments, **options):
    """Return code and status of the error that a call raises."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **options)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


CALLS = {
    "s3": lambda client: client.list_buckets(),
    "sts": lambda client: client.get_caller_identity(),
    "sagemaker": lambda client: client.list_training_jobs(),
    "sagemaker-runtime": lambda client: client.invoke_endpoint(EndpointName="x", Body=b""),
}


@pytest.mark.parametrize(
    ("service", "unknown", "wrong"),
    [
        ("s3", ("InvalidAccessKeyId", 403), ("SignatureDoesNotMatch", 403)),
        ("sts", ("InvalidClientTokenId", 403), ("SignatureDoesNotMatch", 403)),
        ("sagemaker", ("UnrecognizedClientException", 400), ("InvalidSignatureException", 400)),
        ("sagemaker-runtime", ("UnrecognizedClientException", 400), ("InvalidSignatureException", 400)),
    ],
)
def test_wrong_keys_are_refused_with_each_services_error(server, service, unknown, wrong):
    call = CALLS[service]
    assert code_of(call, server.client(service, aws_access_key_id="AKIANOBODY0000000000")) == unknown
    assert code_of(call, server.client(service, aws_secret_access_key="wrong")) == wrong


@pytest.mark.parametrize(
    ("service", "late"),
    [
        ("s3", ("RequestTimeTooSkewed", 403)),
        ("sts", ("SignatureDoesNotMatch", 403)),
        ("sagemaker", ("InvalidSignatureException", 400)),
    ],
)
def test_a_request_signed_yesterday_is_refused(server, service, late, monkeypatch):
    monkeypatch.setattr(Context, "now", lambda _context: time.time() + 24 * 3600)
    assert code_of(CALLS[service], server.client(service)) == late


@pytest.mark.parametrize(
    ("headers", "method", "status", "code"),
    [
        ({}, "GET", 403, b"<Code>AccessDenied</Code>"),
        ({"X-Amz-Target": "SageMaker.ListModels"}, "POST", 400, b'"MissingAuthenticationTokenException"'),
        ({"Authorization": "AWS AKID:sig"}, "GET", 400, b"AWS4-HMAC-SHA256"),
    ],
)
def test_an_unsigned_request_is_refused(server, headers, method, status, code):
    reply = exchange(method, f"{server.url}/bucket/key", {"Host": "localhost", **headers}, [])
    assert reply.status == status
    assert code in reply.body


def test_an_unimplemented_operation_is_named(server):
    for service, method, name in [
        ("ec2", "describe_instances", "ec2:DescribeInstances"),
        ("dynamodb", "list_tables", "dynamodb:ListTables"),
        ("rds", "describe_db_instances", "rds:DescribeDBInstances"),
        ("lambda", "list_functions", "lambda:ListFunctions"),
        ("cloudwatch", "list_dashboards", "cloudwatch:ListDashboards"),
    ]:
        with pytest.raises(ClientError, match=name) as caught:
            getattr(server.client(service), method)()
        assert caught.value.response["Error"]["Code"] == "NotImplemented"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize(
    ("service", "headers", "method", "path", "body", "status", "code"),
    [
        ("sagemaker", {"X-Amz-Target": "SageMaker.Nonsense"}, "POST", "/", b"{}", 400, b"UnknownOperationException"),
        ("sagemaker", {}, "POST", "/nonsense", b"{}", 404, b"UnknownOperationException"),
        (
            "sts",
            {"Content-Type": "application/x-www-form-urlencoded"},
            "POST",
            "/",
            b"Action=No",
            400,
            b"InvalidAction",
        ),
        ("s3", {}, "POST", "/bucket", b"", 405, b"MethodNotAllowed"),
        ("nonsense", {"X-Amz-Target": "X.Y"}, "POST", "/", b"{}", 501, b"nonsense:Y"),
    ],
)
def test_an_operation_that_does_not_exist_is_unknown(server, service, headers, method, path, body, status, code):
    reply = send(method, server.url + path, headers, body, service)
    assert reply.status == status
    assert code in reply.body + reply.headers.get("x-amzn-errortype", "").encode()


@pytest.mark.parametrize("service", sorted(CALLS))
def test_every_response_and_the_log_have_a_request_id(server, service, caplog):
    caplog.set_level(logging.DEBUG, "lowcloud.access")
    try:
        answer = CALLS[service](server.client(service))
    except ClientError as error:
        answer = error.response
    request_id = answer["ResponseMetadata"]["RequestId"]
    lines = wait_for(lambda: [line for line in caplog.messages if request_id in line])
    assert len(lines) == 1
    assert f" {service} " in lines[0]
    assert lines[0].endswith(" root")


def test_an_unexpected_exception_is_logged_and_shows_no_traceback(context, caplog):
    def broken(context, caller, request):
        raise RuntimeError("secret detail")

    gateway = Gateway(
        context, {("sts", "GetCallerIdentity"): Operation("sts", "GetCallerIdentity", broken, NOTHING, (), ())}
    )
    with serving(gateway) as served, pytest.raises(ClientError) as caught:
        served.client("sts").get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    assert "secret detail" not in str(caught.value)
    request_id = caught.value.response["ResponseMetadata"]["RequestId"]
    assert any(request_id in record.getMessage() and record.exc_info for record in caplog.records)


def test_s3_is_addressed_by_path_and_by_host_name(server):
    port = server.url.rpartition(":")[2]
    server.client("s3").create_bucket(Bucket="by-host")
    for host in ("by-host.localhost", "by-host.s3.localhost", "by-host.s3.us-east-1.localhost"):
        url = f"http://{host}:{port}/a%20key"
        headers = sign("PUT", url, {}, host.encode())
        reply = exchange("PUT", url, {**headers, "Content-Length": str(len(host))}, [host.encode()])
        assert reply.status == 200, reply.body
        body = server.client("s3").get_object(Bucket="by-host", Key="a key")["Body"].read()
        assert body == host.encode()


def test_a_presigned_url_works_without_further_headers(server):
    s3 = server.client("s3", config={"signature_version": "s3v4"})
    s3.create_bucket(Bucket="presigned")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "presigned", "Key": "key"})
    host = url.split("/")[2]
    assert exchange("PUT", url, {"Host": host, "Content-Length": "4"}, [b"body"]).status == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "key"}, ExpiresIn=1)
    assert exchange("GET", url, {"Host": host}, []).body == b"body"
    wait_for(lambda: exchange("GET", url, {"Host": host}, []).status != 200)
    reply = exchange("GET", url, {"Host": host}, [])
    assert (reply.status, b"Request has expired" in reply.body) == (403, True)


def session(server, name="me"):
    """Return the credentials of a session of the execution role, as options of a client."""
    role = f"arn:aws:iam::{ACCOUNT}:role/LowcloudExecutionRole"
    given = server.client("sts").assume_role(RoleArn=role, RoleSessionName=name, DurationSeconds=900)["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def test_a_presigned_url_of_a_session_has_its_token(server):
    s3 = server.client("s3", **session(server), config={"signature_version": "s3v4"})
    s3.create_bucket(Bucket="by-session")
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "by-session"})
    headers = {"Host": url.split("/")[2]}
    assert exchange("GET", url, headers, []).status == 200
    assert b"InvalidToken" in exchange("GET", url.replace("Security-Token=", "Security-Token=00"), headers, []).body


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("s3", ("ExpiredToken", 400)),
        ("sts", ("ExpiredToken", 403)),
        ("sagemaker", ("ExpiredTokenException", 400)),
    ],
)
def test_an_expired_session_is_refused(server, service, expected, monkeypatch):
    client = server.client(service, **session(server))
    monkeypatch.setattr(Context, "now", lambda _context: time.time() + 901)
    assert code_of(CALLS[service], client) == expected


def test_requests_at_the_same_time_do_not_mix(server):
    def ask(number):
        sts = server.client("sts", **session(server, f"session-{number}"))
        return [sts.get_caller_identity()["Arn"].rpartition("/")[2] for _ in range(20)]

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12)))
    assert answers == [[f"session-{number}"] * 20 for number in range(12)]


def test_a_presigned_query_authenticates_a_request(server):
    url = server.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    reply = exchange("GET", url, {"Host": url.split("/")[2]}, [])
    assert (reply.status, f"<Arn>arn:aws:iam::{ACCOUNT}:root</Arn>".encode() in reply.body) == (200, True)


def test_a_malformed_presigned_url_says_which_parameter(server):
    reply = exchange("GET", f"{server.url}/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256", {"Host": "localhost"}, [])
    assert b"<Code>AuthorizationQueryParametersError</Code>" in reply.body
    assert b"X-Amz-Credential" in reply.body


def test_a_version_2_url_for_another_service_than_s3_is_refused(server):
    url = f"{server.url}/?AWSAccessKeyId=AKID&Signature=x&Expires=9999999999"
    reply = exchange("POST", url, {"Host": "localhost", "X-Amz-Target": "SageMaker.ListModels"}, [])
    assert (reply.status, b"Please use AWS4-HMAC-SHA256" in reply.body) == (400, True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", b"not JSON"),
        (b"[]", b"Start of list found"),
        (b'{"TrainingJobName": 5}', b"NUMBER_VALUE can not be converted to a String"),
        (b'{"TrainingJobName": "\\ud800"}', b"surrogate"),
        (b"[" * 100_000, b"not JSON"),
        (b'{"TrainingJobName": NaN}', b"not JSON"),
        (b"\xff", b"not JSON"),
    ],
)
def test_malformed_json_is_a_serialization_exception(server, content, said):
    headers = {"X-Amz-Target": "SageMaker.DescribeTrainingJob", "Content-Type": "application/x-amz-json-1.1"}
    reply = send("POST", server.url + "/", headers, content, "sagemaker")
    assert reply.status == 400
    assert json.loads(reply.body)["__type"] == "SerializationException"
    assert said in reply.body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<Delete>",
        b"<Delete><Object></Delete>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        b"<a>" * 200 + b"</a>" * 200,
        b"\xff\xfe",
        b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
    ],
)
def test_malformed_xml_is_refused(server, content):
    digest = {"Content-MD5": b64encode(md5(content).digest()).decode()}
    reply = send("POST", server.url + "/bucket?delete", digest, content)
    assert 400 <= reply.status < 500
    assert b"MalformedXML" in reply.body or (not content and b"MissingRequestBodyError" in reply.body)


@pytest.mark.parametrize(
    "content", [b"\xff", b"\xbf", b"\x9f" * 500, b"\xa1\x61", b"\xd9\x01\x02\x80", b"\xbb" + b"\xff" * 8]
)
def test_malformed_cbor_is_a_serialization_exception(server, content):
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    headers = {"Smithy-Protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    reply = send("POST", server.url + path, headers, content, "monitoring")
    assert reply.status == 400
    assert b"SerializationException" in reply.body


def test_a_compressed_body_is_read_and_a_decompression_bomb_is_refused(server):
    headers = {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Encoding": "gzip"}
    assert send("POST", server.url + "/", headers, gzip.compress(b"{}"), "sagemaker").status == 200
    bomb = gzip.compress(bytes(65 << 20))
    assert send("POST", server.url + "/", headers, bomb, "sagemaker").status == 413
    assert b"not gzip" in send("POST", server.url + "/", headers, b"{}", "sagemaker").body


def test_the_body_must_match_the_signature(server):
    url = server.url + "/"
    headers = sign("POST", url, {"X-Amz-Target": "SageMaker.ListTrainingJobs"}, b"{}", "sagemaker")
    reply = exchange("POST", url, {**headers, "Content-Length": "3"}, [b"{ }"])
    assert b"InvalidSignatureException" in reply.body


@pytest.mark.parametrize(
    ("service", "code"), [("s3", b"<Code>InvalidArgument</Code>"), ("sagemaker", b"IncompleteSignatureException")]
)
def test_a_signature_in_the_header_and_another_in_the_query_are_refused(server, service, code):
    target = {"X-Amz-Target": "SageMaker.ListModels"} if service == "sagemaker" else {}
    reply = send("POST", f"{server.url}/?X-Amz-Algorithm=AWS4-HMAC-SHA256", target, b"", service)
    assert reply.status == 400
    assert code in reply.body
    assert b"Only one auth mechanism allowed" in reply.body


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=AKIANOBODY/x"}, b"IncompleteSignature"),
        ({"X-Amz-Extra": "unsigned"}, b"not signed: x-amz-extra"),
        ({"X-Amz-Content-SHA256": "0" * 64}, b"InvalidSignatureException"),
    ],
)
def test_what_the_head_alone_refuses_is_refused_before_the_body_is_requested(server, change, code):
    url = server.url + "/"
    headers = sign("POST", url, {"X-Amz-Target": "SageMaker.ListTrainingJobs"}, b"{}", "sagemaker")
    awaiting = {"Content-Length": "2", "Expect": "100-continue", "Connection": "close"}
    reply = exchange("POST", url, {**headers, **change, **awaiting}, [])
    assert reply.status == 400
    assert code in reply.body


def test_the_hash_that_a_client_declares_is_verified_before_the_body_and_against_it(server):
    url, target = server.url + "/", {"X-Amz-Target": "SageMaker.ListTrainingJobs"}
    declared = {**target, "X-Amz-Content-SHA256": hashlib.sha256(b"{}").hexdigest()}
    assert send("POST", url, declared, b"{}", "sagemaker").status == 200
    headers = sign("POST", url, declared, b"{}", "sagemaker")
    reply = exchange("POST", url, {**headers, "Content-Length": "2"}, [b"[]"])
    assert b"differs from x-amz-content-sha256" in reply.body


def test_cloudwatch_supports_all_three_of_its_protocols(server):
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    as_cbor = send("POST", server.url + path, {"Smithy-Protocol": "rpc-v2-cbor"}, b"\xa0", "monitoring")
    assert (as_cbor.status, as_cbor.headers["content-type"]) == (200, "application/cbor")
    target = {"X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics"}
    assert json.loads(send("POST", server.url + "/", target, b"{}", "monitoring").body)["Metrics"] == []
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    as_query = send("POST", server.url + "/", form, b"Action=ListMetrics&Version=2010-08-01", "monitoring")
    assert b"<ListMetricsResponse" in as_query.body


def test_the_aws_cli_reads_responses_and_errors(server):
    def aws(*arguments):
        command = [AWS, *arguments]
        return subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=60, check=False)

    assert json.loads(aws("sts", "get-caller-identity").stdout)["Account"] == ACCOUNT
    failed = aws("iam", "get-role", "--role-name", "nobody")
    assert failed.returncode in (254, 255)
    assert "(NoSuchEntity)" in failed.stderr
    assert "(NotImplemented)" in aws("ec2", "describe-instances").stderr


def test_a_signature_for_one_service_is_not_valid_for_another(server):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = send("POST", server.url + "/", form, b"Action=GetCallerIdentity&Version=2011-06-15", "iam")
    assert (reply.status, b"InvalidAction" in reply.body) == (400, True)
