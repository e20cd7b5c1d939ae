"""Servers killed while they write the audit log: it stays whole, and has every change that was answered."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.servers.server import Server
from tests.support.waiting import wait_for

THREADS = 4


def test_answered_changes_of_two_processes_are_in_the_log_after_a_kill(tmp_path: Path) -> None:
    kill(Server(tmp_path / "home"), lives=2)


@pytest.mark.slow
def test_answered_changes_are_in_the_log_after_many_kills(tmp_path: Path) -> None:
    kill(Server(tmp_path / "home"), lives=8)


def kill(cloud: Server, lives: int) -> None:
    answered: list[str] = []
    for life in range(lives):
        cloud.up("--workers", "2")
        before = len(answered)
        threads = [
            threading.Thread(target=create, args=(cloud.client("iam"), f"{life}-{number}", answered))
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        wait_for(lambda before=before: len(answered) > before + 10)
        cloud.kill()
        for thread in threads:
            thread.join()
    cloud.up("--workers", "2")
    try:
        chosen = [{"AttributeKey": "EventName", "AttributeValue": "CreateUser"}]
        pages = cloud.client("cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=chosen)
        found: list[Any] = [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
        assert {one["requestParameters"]["UserName"] for one in found} >= set(answered)
        checked = cloud.cli("check")
        assert ("records of the audit log" in checked.stdout, "no problems found" in checked.stdout) == (True, True)
    finally:
        cloud.down()


def create(iam: Any, prefix: str, answered: list[str]) -> None:
    """Create users until the server is gone."""
    for number in range(10_000):
        name = f"user-{prefix}-{number}"
        try:
            iam.create_user(UserName=name)
        except (BotoCoreError, ClientError):
            return
        answered.append(name)
