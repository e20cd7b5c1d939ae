"""An unreachable database: every service responds with a retryable status until it is back."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lowcloud.api.aws.gateway import Gateway
from tests.support.databases.postgres import start_server
from tests.support.servers.gateways import make_context, serving

SMALL, LARGE = b"x" * 2_000, b"y" * 300_000


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
            database.stop()
            for call in (
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
