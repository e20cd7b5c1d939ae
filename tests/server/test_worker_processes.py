"""Worker processes of one home: replaced when they end, stopped with their parent, and consistent with each other."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lowcloud.home import server_process
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

WORKERS = 3


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    made.cli("up", "--detach", "--port", "0", "--workers", str(WORKERS))
    yield made
    if server_process.find_running(made.home):
        made.down()


def parent_of(cloud: Server) -> int:
    running = server_process.find_running(cloud.home)
    assert running is not None
    return running.pid


def workers_of(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def all_workers(parent: int) -> list[int]:
    workers = workers_of(parent)
    return workers if len(workers) == WORKERS else []


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_worker_is_replaced_and_nothing_acknowledged_is_lost(cloud: Server) -> None:
    parent = parent_of(cloud)
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="shelf")
    kept = []
    for number in range(6):
        workers = wait_for(lambda: all_workers(parent))
        os.kill(workers[number % WORKERS], signal.SIGKILL)
        for attempt in range(20):
            key = f"{number}/{attempt}"
            try:
                s3.put_object(Bucket="shelf", Key=key, Body=key.encode())
            except (BotoCoreError, ClientError):
                continue  # it was not acknowledged
            kept.append(key)
    assert kept
    wait_for(lambda: all_workers(parent))
    for key in kept:
        assert s3.get_object(Bucket="shelf", Key=key)["Body"].read() == key.encode()


def test_all_workers_end_with_their_parent_however_it_ends(cloud: Server) -> None:
    parent = parent_of(cloud)
    workers = wait_for(lambda: all_workers(parent))
    os.kill(parent, signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, workers)))
    assert server_process.wait_until_stopped(cloud.home, 10)
    cloud.cli("up", "--detach", "--port", "0", "--workers", str(WORKERS))
    workers = wait_for(lambda: all_workers(parent_of(cloud)))
    cloud.down()
    assert not any(map(is_alive, workers))


def test_of_concurrent_conditional_writes_through_all_workers_one_succeeds(cloud: Server) -> None:
    cloud.client("s3").create_bucket(Bucket="shelf")
    clients = [cloud.client("s3") for _ in range(12)]  # each has its own connection, to any of the workers

    def create(number: int, key: str) -> bool:
        try:
            clients[number].put_object(Bucket="shelf", Key=key, Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return False
        return True

    with ThreadPoolExecutor(len(clients)) as threads:
        for key in ("a", "b", "c", "d", "e"):
            won = list(threads.map(lambda number, key=key: create(number, key), range(len(clients))))
            assert sum(won) == 1
            seen = {client.get_object(Bucket="shelf", Key=key)["Body"].read() for client in clients}
            assert seen == {b"%d" % won.index(True)}


def test_a_write_through_one_worker_is_visible_through_all(cloud: Server) -> None:
    cloud.client("s3").create_bucket(Bucket="shelf")
    clients = [cloud.client("s3") for _ in range(9)]
    for number, writer in enumerate(clients):
        key = f"{number}"
        writer.put_object(Bucket="shelf", Key=key, Body=b"x" * 100_000 * (number % 2) + b"y")
        for reader in clients:
            assert key in [item["Key"] for item in reader.list_objects_v2(Bucket="shelf")["Contents"]]
            assert reader.get_object(Bucket="shelf", Key=key)["Body"].read()[-1:] == b"y"
        writer.delete_object(Bucket="shelf", Key=key)
        assert all("Contents" not in reader.list_objects_v2(Bucket="shelf") for reader in clients)


def test_a_worker_that_ignores_sigterm_is_killed(cloud: Server) -> None:
    workers = wait_for(lambda: all_workers(parent_of(cloud)))
    os.kill(workers[1], signal.SIGSTOP)
    cloud.down()
    assert not any(map(is_alive, workers))
