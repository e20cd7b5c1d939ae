"""The client of the JSON services, against a real server."""

import os
import socket
from dataclasses import replace

import pytest

from lowcloud.client.json_client import JsonClient, NoAnswerError, RequestRefusedError
from lowcloud.home import settings
from tests.support.servers.server import Server


@pytest.fixture
def client(server: Server) -> JsonClient:
    known = settings.load(server.home, os.environ)
    return JsonClient(server.url, known.region, known.root_key)


def test_it_gets_what_botocore_gets(client, server):
    for number in range(3):
        server.client("sagemaker").create_model(
            ModelName=f"listed-{number}",
            PrimaryContainer={"Image": "xgboost", "ModelDataUrl": "s3://bucket/model.tar.gz"},
        )
    found = [
        model["ModelName"] for page in client.pages("sagemaker", "ListModels", MaxResults=1) for model in page["Models"]
    ]
    assert found[:3] == ["listed-2", "listed-1", "listed-0"]
    described = server.client("sagemaker").describe_model(ModelName="listed-0")
    answer = client.call("sagemaker", "DescribeModel", ModelName="listed-0")
    assert answer["ModelArn"] == described["ModelArn"]
    assert answer["CreationTime"] == pytest.approx(described["CreationTime"].timestamp(), abs=0.001)


def test_refusals_have_their_code(client):
    with pytest.raises(RequestRefusedError, match="ould not find") as caught:
        client.call("sagemaker", "DescribeModel", ModelName="nothing")
    assert caught.value.code == "ValidationException"
    stranger = replace(client, key=replace(client.key, secret_access_key="wrong"))
    with pytest.raises(RequestRefusedError) as caught:
        stranger.call("lowcloud", "ListJobs")
    assert caught.value.code == "InvalidSignatureException"


def test_a_server_that_is_gone_is_an_error_of_its_own(client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NoAnswerError, match="does not answer"):
        replace(client, endpoint=f"http://127.0.0.1:{port}").call("lowcloud", "ListJobs")
