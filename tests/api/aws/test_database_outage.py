"""An unreachable database: every service responds with a retryable status until it is back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from lowcloud.core.identity import credentials
from lowcloud.home.settings import EXECUTION_ROLE
from tests.support.databases.postgres import start_server
from tests.support.servers.endpoint import ACCOUNT, Endpoint
from tests.support.servers.gateways import make_context, serving
from tests.support.waiting import TIMEOUT_SECONDS

SMALL, LARGE = b"x" * 2_000, b"y" * 300_000


def session_client(server: Endpoint, service: str) -> Any:
    """A client with temporary credentials of the execution role."""
    role = f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}"
    keys = server.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    return server.client(
        service,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


@pytest.mark.parametrize("service", ["s3", "sts"])
def test_a_session_whose_role_is_looked_up_slowly_delays_no_other_request(
    context: Context, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def look_up(key: tuple[str, ...], read: Callable[[], Any]) -> Any:
        if key[0] != "role":
            return read()
        begun.set()
        assert go_on.wait(TIMEOUT_SECONDS)
        return read()

    with serving(gateway) as server, ThreadPoolExecutor(1) as pool:
        client = session_client(server, service)
        monkeypatch.setattr(credentials, "find_known", lambda *_: None)  # as if nothing were cached
        monkeypatch.setattr(context.access, "get", look_up)
        slow = pool.submit(client.list_buckets if service == "s3" else client.get_caller_identity)
        assert begun.wait(TIMEOUT_SECONDS)
        server.client("s3").list_buckets()
        assert not slow.done()
        go_on.set()
        slow.result()


def test_while_the_database_is_unreachable_requests_get_503_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    database = start_server()
    context = make_context(tmp_path / "home", database.new_database())
    gateway = Gateway(context)
    try:
        with serving(gateway) as server:
            s3, sagemaker = server.client("s3"), server.client("sagemaker")
            s3.create_bucket(Bucket="shelf")
            for key, body in (("small", SMALL), ("large", LARGE)):
                s3.put_object(Bucket="shelf", Key=key, Body=body)
            of_session = [session_client(server, service) for service in ("s3", "sagemaker")]
            database.stop()
            for call in (
                of_session[0].list_buckets,
                of_session[1].list_training_jobs,
                lambda: s3.put_object(Bucket="shelf", Key="new", Body=SMALL),
                lambda: s3.put_object(Bucket="shelf", Key="new", Body=LARGE),
                lambda: s3.get_object(Bucket="shelf", Key="large"),
                lambda: s3.list_objects_v2(Bucket="shelf"),
                lambda: s3.delete_object(Bucket="shelf", Key="small"),
                sagemaker.list_training_jobs,
            ):
                with pytest.raises(ClientError) as caught:
                    call()
                assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
                assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
            database.start()
            for key, body in (("small", SMALL), ("large", LARGE)):
                assert s3.get_object(Bucket="shelf", Key=key)["Body"].read() == body
            s3.put_object(Bucket="shelf", Key="new", Body=LARGE)
            assert s3.get_object(Bucket="shelf", Key="new")["Body"].read() == LARGE
    finally:
        gateway.close()
        context.database.close()
        database.remove()
