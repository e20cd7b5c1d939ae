"""Two servers of one store with rows in PostgreSQL: they always agree, and one takes over from the other."""

import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.data.patients import IMAGE, ROWS, configure, request, slow_job, status_of, with_training_data
from tests.support.data.tables import csv_of
from tests.support.databases.postgres import PASSWORD, PostgresServer
from tests.support.servers.endpoint import ENVIRONMENT
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BUCKET = "shared-sagemaker-bucket"
SMALL, LARGE = 2_000, 300_000  # one lies in the database, the other in a file
WRITERS = 8  # through each server


@pytest.fixture
def two(tmp_path: Path, postgres: PostgresServer) -> Iterator[tuple[Server, Server]]:
    first, second = Server(tmp_path / "first"), Server(tmp_path / "second")
    first.up("--database", postgres.new_database(), **ENVIRONMENT)
    second.up("--store", str(first.home), **ENVIRONMENT)
    yield first, second
    second.down()
    first.down()


def s3_of(cloud: Server) -> Any:
    """A client that tries once."""
    return cloud.client("s3")


def body_of(key: str, size: int) -> bytes:
    return random.Random(key).randbytes(size)


def test_of_many_who_create_one_key_through_both_servers_one_wins(two):
    first, second = (s3_of(cloud) for cloud in two)
    first.create_bucket(Bucket=BUCKET)

    def create(key: str, number: int, size: int) -> int | None:
        client = (first, second)[number % 2]
        try:
            client.put_object(Bucket=BUCKET, Key=key, Body=body_of(f"{number}", size), IfNoneMatch="*")
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)
            return None
        return number

    with ThreadPoolExecutor(2 * WRITERS) as threads:
        for size in (SMALL, LARGE):
            for turn in range(4):
                key = f"{size}/{turn}"
                tried = [threads.submit(create, key, number, size) for number in range(2 * WRITERS)]
                winners = [number for number in (one.result(60) for one in tried) if number is not None]
                assert len(winners) == 1
                for client in (first, second):
                    found = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
                    assert found == body_of(f"{winners[0]}", size)


def test_objects_acknowledged_by_one_server_are_immediately_visible_to_the_other(two):
    clients = [s3_of(cloud) for cloud in two]
    clients[0].create_bucket(Bucket=BUCKET)

    def write(number: int) -> str:
        here, there = clients[number % 2], clients[(number + 1) % 2]
        key = f"k{number:03}"
        body = body_of(key, LARGE if number % 5 == 0 else SMALL)
        here.put_object(Bucket=BUCKET, Key=key, Body=body)
        assert there.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body
        assert key in [one["Key"] for one in there.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]]
        here.put_object(Bucket=BUCKET, Key=key, Body=body[::-1])
        assert there.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body[::-1]
        if number % 3 == 0:
            there.delete_object(Bucket=BUCKET, Key=key)
            with pytest.raises(ClientError, match="NoSuchKey"):
                here.get_object(Bucket=BUCKET, Key=key)
        return key

    with ThreadPoolExecutor(2 * WRITERS) as threads:
        keys = list(threads.map(write, range(96)))
    left = sorted(key for number, key in enumerate(keys) if number % 3)
    for client in clients:
        assert [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET)["Contents"]] == left


@pytest.mark.parametrize("killed", [0, 1])
def test_the_other_server_has_everything_that_a_killed_server_acknowledged(two, killed):
    victim, survivor = two[killed], two[1 - killed]
    clients = [s3_of(cloud) for cloud in two]
    clients[0].create_bucket(Bucket=BUCKET)
    kept: dict[str, str] = {}
    is_over = threading.Event()

    def write(writer: int) -> None:
        for number in range(10_000):
            if is_over.is_set():
                return
            key = f"{writer}/{number}"
            body = body_of(key, LARGE if number % 3 == 0 else SMALL)
            try:
                clients[writer % 2].put_object(Bucket=BUCKET, Key=key, Body=body)
            except (BotoCoreError, ClientError):
                assert writer % 2 == killed
                return
            kept[key] = sha256(body).hexdigest()

    with ThreadPoolExecutor(2 * WRITERS) as threads:
        writing = [threads.submit(write, number) for number in range(2 * WRITERS)]
        wait_for(lambda: len(kept) > 60)
        victim.kill()
        before = len(kept)
        wait_for(lambda: len(kept) > before + 20)  # the survivor continues
        is_over.set()
        for one in writing:
            one.result(60)
    client = s3_of(survivor)
    listed = {
        one["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        for one in page["Contents"]
    }
    assert set(kept) <= listed
    assert len(listed) - len(kept) <= WRITERS  # written, but the answer did not come
    for key in listed:
        digest = sha256(client.get_object(Bucket=BUCKET, Key=key)["Body"].read()).hexdigest()
        assert kept.get(key, digest) == digest
    victim.up(**ENVIRONMENT)
    again = s3_of(victim)
    sizes = {one["Key"]: one["Size"] for one in again.list_objects_v2(Bucket=BUCKET)["Contents"]}
    in_files = sum(size == LARGE for size in sizes.values())
    assert len(sizes) == len(listed)
    folder = two[0].home / "data" / "objects"
    wait_for(lambda: len(list(folder.glob("*/*"))) == in_files)  # the sweep of the start


def test_jobs_and_endpoints_continue_on_the_other_server_when_the_leader_is_killed(two):
    leader, follower = two
    with_training_data(follower)
    sagemaker = follower.client("sagemaker")
    requested = request(follower)
    sagemaker.create_training_job(**requested)  # the leader finds it
    name = requested["TrainingJobName"]
    wait_for(lambda: status_of(sagemaker, name) == "Completed")
    artifact = sagemaker.describe_training_job(TrainingJobName=name)["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(
        ModelName="shared",
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artifact},
        ExecutionRoleArn=follower.role,
    )
    configure(sagemaker, "shared", "shared")
    sagemaker.create_endpoint(EndpointName="shared", EndpointConfigName="shared")
    wait_for(lambda: sagemaker.describe_endpoint(EndpointName="shared")["EndpointStatus"] == "InService")

    def invoke() -> bytes:
        runtime = follower.client("sagemaker-runtime")
        requested = {"EndpointName": "shared", "ContentType": "text/csv", "Body": csv_of(ROWS[:2, 1:])}
        return bytes(runtime.invoke_endpoint(**requested)["Body"].read())

    answer = invoke()  # its replica is the leader's
    running = slow_job(follower)
    sagemaker.create_training_job(**running)
    name = running["TrainingJobName"]
    wait_for(lambda: status_of(sagemaker, name) == "Training")
    assert f"the server of {leader.home}, another one" in follower.cli("status").stdout
    leader.kill()
    assert invoke() == answer
    assert "Still running" not in leader.cli("status", check=False).stdout, "the other server runs it"
    assert leader.cli("down").stdout == "Lowcloud is not running\n"
    wait_for(lambda: "Leader" not in follower.cli("status").stdout)
    sagemaker.stop_training_job(TrainingJobName=name)
    wait_for(lambda: status_of(sagemaker, name) == "Stopped")  # by the new leader, in the folders of the old one
    assert invoke() == answer
    leader.up(**ENVIRONMENT)
    sagemaker.delete_endpoint(EndpointName="shared")
    wait_for(lambda: not sagemaker.list_endpoints()["Endpoints"])


def test_two_servers_need_a_database_that_both_reach(tmp_path):
    alone, second = Server(tmp_path / "alone"), Server(tmp_path / "second")
    alone.up()
    try:
        refused = second.cli("up", "--port", "0", "--store", str(alone.home), check=False)
        assert refused.returncode == 1
        assert "PostgreSQL" in refused.stderr
    finally:
        alone.down()


def test_the_password_is_in_no_file_no_command_line_and_no_log(tmp_path, postgres):
    name = postgres.new_database().split("?")[0].rpartition("/")[2]
    cloud = Server(tmp_path / "home")
    cloud.up("--database", postgres.loopback_url(name))
    try:
        assert PASSWORD not in cloud.cli("status").stdout
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            if command.parent.name != str(os.getpid()):
                assert PASSWORD.encode() not in _read(command)
        for path in cloud.home.rglob("*"):
            if path.is_file():
                assert PASSWORD.encode() not in path.read_bytes(), path
    finally:
        cloud.down()
    refused = cloud.cli("up", "--port", "0", check=False, PGPASSFILE=os.devnull)
    assert "LOWCLOUD_DATABASE" in refused.stderr  # and no other store was made instead
    assert not (cloud.home / "data" / "lowcloud.db").exists()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended
