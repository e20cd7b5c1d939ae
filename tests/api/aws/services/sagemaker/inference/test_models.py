"""Models: where their data may be."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.support.data.patients import IMAGE
from tests.support.servers.server import Server


@pytest.fixture(scope="module")
def sagemaker(server: Server) -> Any:
    return server.client("sagemaker")


def create(sagemaker: Any, url: str) -> None:
    sagemaker.create_model(ModelName="placed", PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url})


@pytest.mark.parametrize(
    "url",
    [
        "s3://models/a/model.tar.gz",
        "https://models.s3.amazonaws.com/a/model.tar.gz",
        "https://models.s3.us-west-2.amazonaws.com/a/model.tar.gz",
        "https://s3.us-west-2.amazonaws.com/models/a/model.tar.gz",
        "https://s3-us-west-2.amazonaws.com/models/a/model.tar.gz",
        "https://127.0.0.1:{port}/models/a/model.tar.gz",
        "https://localhost:{port}/models/a/model.tar.gz",
        "https://models.localhost:{port}/a/model.tar.gz",
        "https://models.s3.amazonaws.com/a/model%2Etar.gz",
    ],
)
def test_a_url_of_an_object_is_its_place(server, sagemaker, url):
    create(sagemaker, url.format(port=urlsplit(server.url).port))
    described = sagemaker.describe_model(ModelName="placed")
    sagemaker.delete_model(ModelName="placed")
    assert described["PrimaryContainer"]["ModelDataUrl"] == "s3://models/a/model.tar.gz"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/models/a/model.tar.gz",
        "https://10.0.0.1/models/a/model.tar.gz",
        "https://127.0.0.1:1/models/a/model.tar.gz",
        "https://127.0.0.1:99999/models/a/model.tar.gz",
        "https://models.s3.amazonaws.com/a/model.tar.gz?X-Amz-Signature=0",
        "https://s3.amazonaws.com/",
        "https:///a",
        "ftp://models/a",
    ],
)
def test_another_url_is_refused(sagemaker, url):
    with pytest.raises(ClientError, match="ValidationException"):
        create(sagemaker, url)
