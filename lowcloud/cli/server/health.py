"""What commands say of a server's health, and of the work that runs without a server."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lowcloud.cli.terminal.output import of_home, output, print_fact
from lowcloud.client.json_client import JsonClient, NoAnswerError, RequestRefusedError, send
from lowcloud.home.settings import Settings

HEALTH_TIMEOUT_SECONDS = 10.0


def print_ready(endpoint: str, settings: Settings) -> None:
    """Print what `up` says."""
    output.print(f"Lowcloud is ready at {endpoint}")
    try:
        cloud = JsonClient(endpoint, settings.region, settings.root_key).call("lowcloud", "DescribeCloud")
    except (RequestRefusedError, NoAnswerError) as error:
        print_fact("Not ready", str(error))
        return
    print_health(endpoint, settings, cloud)


def print_health(endpoint: str, settings: Settings, cloud: Mapping[str, Any]) -> None:
    """Print the level of isolation, which server runs programs, and why this one is not ready, if it is not.

    `cloud` is the answer of DescribeCloud.
    """
    isolation = cloud.get("Isolation", {})
    level = isolation.get("Level") or isolation.get("WaitsFor") or "not known yet"
    print_fact("Isolation", f"none: {isolation['Description']}" if level == "none" else level)
    if cloud.get("Leader", str(settings.home)) != str(settings.home):
        print_fact("Leader", f"the server of {cloud['Leader']}, another one of this store, runs jobs and endpoints")
    _print_faults(endpoint)


def _print_faults(endpoint: str) -> None:
    for reason in _health(endpoint)["reasons"]:
        print_fact("Not ready", reason["message"])


def _health(endpoint: str) -> dict[str, Any]:
    """Return what the server says of its health."""
    try:
        status, text = send(endpoint, "GET", "/health", timeout_seconds=HEALTH_TIMEOUT_SECONDS)
    except NoAnswerError as error:
        return _one_reason(str(error))
    try:
        found = json.loads(text)
        if "reasons" in found:
            return dict(found)
    except (ValueError, TypeError):
        pass  # no report
    if 400 <= status < 500:  # as for a bucket of this name
        return _one_reason("It is of an earlier version of Lowcloud; restart it: lowcloud down, then lowcloud up.")
    return _one_reason(f"It answered {status}, without a report on its health; its log has the reason.")


def _one_reason(message: str) -> dict[str, Any]:
    return {"reasons": [{"message": message}]}


def find_survivors(work: Path) -> list[str]:
    """Return the works that run although no server of the store does."""
    with _without_servers(work) as running:
        return running


def end_survivors(work: Path, home: Path | None, *, end_jobs: bool) -> None:
    """End what runs without a server, except for jobs, which continue unless this is requested."""
    from lowcloud.engine.local import survivors

    with _without_servers(work) as running:
        ended = [work_id for work_id in running if end_jobs or work_id.startswith("endpoint/")]
        survivors.kill(work, ended)
    if ended:
        output.print(f"Ended: {_names(ended)}", markup=False)
    if left := [work_id for work_id in running if work_id not in ended]:
        output.print(f"Still running: {describe_survivors(left, home)}", markup=False)


@contextmanager
def _without_servers(work: Path) -> Iterator[list[str]]:
    """Yield the works that run without a server; none starts within the block, and takes them over."""
    from lowcloud.core.control import leader_election
    from lowcloud.engine.local import survivors

    with ExitStack() as lock:
        is_alone = work.is_dir()
        if is_alone:
            try:
                lock.enter_context(leader_election.no_servers(work))
            except leader_election.ServersRunningError:
                is_alone = False
        yield survivors.find(work) if is_alone else []


def describe_survivors(work_ids: list[str], home: Path | None) -> str:
    """Return what runs, and what to do about it."""
    up, down = of_home("lowcloud up", home), of_home("lowcloud down --all", home)
    return f"{_names(work_ids)}; found again by: {up}, ended by: {down}"


def _names(work_ids: list[str]) -> str:
    """Return the resources that works belong to: a work's id begins with the type and the name."""
    return ", ".join(dict.fromkeys(" ".join(work_id.split("/")[:2]) for work_id in work_ids))
