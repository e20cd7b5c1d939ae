"""The life of an endpoint: start its replicas, keep them running, and take all of it away when that is wished."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from lowcloud import contract
from lowcloud.core import events, tags
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord, LeaseLostError
from lowcloud.core.environments import environments
from lowcloud.core.errors import NotFoundError
from lowcloud.core.scheduling import capacity
from lowcloud.core.serving import endpoints, model_servers
from lowcloud.core.serving.endpoints import Endpoint, EndpointState, Variant
from lowcloud.core.telemetry import logs
from lowcloud.engine.work import Phase, Replica, ReplicaStatus, StagingError, Work
from lowcloud.store.db import tables

STARTUP_TIMEOUT_SECONDS = 600.0
HEALTH_INTERVAL_SECONDS = 1.0
FAILURE_INTERVAL_SECONDS = 10.0  # between attempts at a replica that cannot be started
SHORT_LIFE_SECONDS = 60.0
ENDS = (Phase.EXITED, Phase.LOST)
LONGEST_WAIT_SECONDS = 300.0  # before a replica that dies young each time is started again

IS_WANTED = tables.endpoints.c.delete_requested.is_(False)

log = logging.getLogger("lowcloud.endpoints")


def step(endpoint: Endpoint, are_ready: bool, failure: str | None, now: float) -> Endpoint:
    """The next state of an endpoint that nobody wishes gone. Pure."""
    if endpoint.state != EndpointState.CREATING:
        return endpoint
    if failure:
        return replace(endpoint, state=EndpointState.FAILED, failure=failure, modified_at=now)
    if are_ready:
        return replace(endpoint, state=EndpointState.IN_SERVICE, modified_at=now)
    if endpoint.prepared_at is not None and now - endpoint.prepared_at > STARTUP_TIMEOUT_SECONDS:
        late = f"The replicas did not answer within {STARTUP_TIMEOUT_SECONDS:.0f} seconds. See the endpoint's log."
        return replace(endpoint, state=EndpointState.FAILED, failure=late, modified_at=now)
    return endpoint


def seconds_to_wait(short_lives: int) -> float:
    """Before a replica that died young so many times in a row is started again: 0, 2, 4, 8 ... Pure."""
    return min(LONGEST_WAIT_SECONDS, 2.0**short_lives) if short_lives else 0.0


def advance(claim: LeasedRecord) -> float | None:
    """One turn of an endpoint."""
    context = claim.context
    try:
        endpoint = endpoints.find(context, claim.name)
    except NotFoundError as error:  # only who carries it removes it
        raise LeaseLostError(claim.name) from error
    if endpoint.delete_requested:
        _remove(claim, endpoint)
        return None
    if endpoint.state == EndpointState.IN_SERVICE:
        endpoint = _clear_ended(claim, endpoint)
    failure = None
    try:
        endpoint = _choose_environments(claim, endpoint)
        failure = _ensure_running(context, endpoint)
        endpoint = _note_prepared(claim, endpoint)
    except StagingError as error:
        failure = str(error)
    _collect_logs(context, endpoint)
    after = step(endpoint, _are_ready(context, endpoint), failure, context.now())
    if after != endpoint and not _save(claim, after):
        return 0.0
    if failure and after.state == EndpointState.IN_SERVICE:
        log.warning("A replica of endpoint %s cannot be started again: %s", endpoint.name, failure)
        return FAILURE_INTERVAL_SECONDS
    if after.state == EndpointState.FAILED:
        _remove_work(context, endpoint)
        return None if claim.release(None, where=IS_WANTED) else 0.0
    return HEALTH_INTERVAL_SECONDS if after.state == EndpointState.IN_SERVICE else 0.02


def suspend(context: Context) -> None:
    """End every replica, for a server that goes down: nobody could reach them. The next server starts them again."""
    with context.database.read() as connection:
        rows = connection.execute(tables.endpoints.select()).all()
    for row in rows:
        _remove_work(context, endpoints.from_row(row))


def _clear_ended(claim: LeasedRecord, endpoint: Endpoint) -> Endpoint:
    """Forget the replicas that have ended, and waited where they died young before, so that they are started again."""
    now = claim.context.now()
    for work_id in _ids(endpoint):
        status = _status(claim.context, work_id)
        if status.phase not in ENDS:
            continue
        ended_at = status.ended_at or now
        died_young = ended_at - (status.started_at or ended_at) < SHORT_LIFE_SECONDS
        deaths = endpoint.short_lives.get(work_id, 0) if died_young else 0
        if 0 <= now - ended_at < seconds_to_wait(deaths):  # unless the clock was set back
            continue
        endpoint = replace(endpoint, short_lives={**endpoint.short_lives, work_id: deaths + died_young})
        claim.save({"progress": _progress(endpoint)})
        _collect_logs(claim.context, endpoint)
        claim.context.engine.remove(work_id)
    return endpoint


def _choose_environments(claim: LeasedRecord, endpoint: Endpoint) -> Endpoint:
    """The endpoint, with the Python environment that each of its models needs. Raises StagingError."""
    new = [name for name in endpoint.models if name not in endpoint.environments]
    if not new:
        return endpoint
    chosen = {name: model_servers.environment_of(claim.context, endpoint.models[name]) for name in new}
    endpoint = _prepared(claim.context, replace(endpoint, environments={**endpoint.environments, **chosen}))
    claim.save({"progress": _progress(endpoint)})
    return endpoint


def _note_prepared(claim: LeasedRecord, endpoint: Endpoint) -> Endpoint:
    """Keep since when the environments are there: only then can replicas be late."""
    noted = _prepared(claim.context, endpoint)
    if noted != endpoint:
        claim.save({"progress": _progress(noted)})
    return noted


def _prepared(context: Context, endpoint: Endpoint) -> Endpoint:
    if endpoint.prepared_at is not None:
        return endpoint
    are_ready = all(environments.is_ready(context, name) for name in endpoint.environments.values())
    return replace(endpoint, prepared_at=context.now()) if are_ready else endpoint


def _ensure_running(context: Context, endpoint: Endpoint) -> str | None:
    """Start what does not run. The reason, where a replica cannot run at all. Raises StagingError."""
    for variant in endpoint.variants:
        for work_id in endpoint.work_ids()[variant.name]:
            status = _status(context, work_id)
            if status.phase in ENDS and endpoint.state == EndpointState.CREATING:
                return _reason(context, work_id, status)
            if status.phase in (Phase.ABSENT, Phase.STAGING) and _is_environment_ready(context, endpoint, variant):
                context.engine.start(_work(context, endpoint, variant, work_id))
    return None


def _reason(context: Context, work_id: str, status: ReplicaStatus) -> str:
    said = context.engine.read_file(work_id, 0, contract.FAILURE, 1024) or b""
    return said.decode(errors="replace").strip() or (
        f"The model server ended with exit code {status.exit_code} before it answered. See the endpoint's log."
    )


def _are_ready(context: Context, endpoint: Endpoint) -> bool:
    return all(context.engine.address(work_id, 0) for work_id in _ids(endpoint))


def _is_environment_ready(context: Context, endpoint: Endpoint, variant: Variant) -> bool:
    """Whether a variant's Python environment is there; it is built where it is not. Raises StagingError."""
    stream = f"{variant.name}/environment-{int(endpoint.created_at * 1000)}"

    def collect(work_id: str, run: str) -> None:
        logs.collect(context, logs.endpoint_group(endpoint.name), stream, work_id, 0, run=run)

    return environments.build(
        context,
        endpoint.environments[variant.model],
        lambda: model_servers.builder(context, endpoint.models[variant.model]),
        collect,
    )


def _work(context: Context, endpoint: Endpoint, variant: Variant, work_id: str) -> Work:
    model = endpoint.models[variant.model]
    return Work(
        id=work_id,
        command=model_servers.command_of(context, model),
        replicas=(Replica(environment=dict(model.environment), archives=model_servers.archives_of(context, model)),),
        resources=capacity.of_replica(context, variant.instance_type).each,
        network=model_servers.has_network(context, model),
        serves=True,
        environment=endpoint.environments[variant.model],
    )


def _collect_logs(context: Context, endpoint: Endpoint) -> None:
    group = logs.endpoint_group(endpoint.name)
    for variant, work_ids in endpoint.work_ids().items():
        for replica, work_id in enumerate(work_ids):
            started_at = next((status.started_at for status in context.engine.status(work_id)), None)
            if started_at is None:
                continue
            stream = f"{variant}/{replica}-{int(started_at * 1000)}"  # a restarted replica opens a stream of its own
            logs.collect(context, group, stream, work_id, 0)


def _save(claim: LeasedRecord, endpoint: Endpoint) -> bool:
    """Whether the endpoint is still wanted, and so saved."""
    event = events.Event(endpoint.modified_at, endpoint.state, endpoint.failure or f"The endpoint is {endpoint.state}")
    return claim.save(
        {"state": endpoint.state, "modified_at": endpoint.modified_at, "progress": _progress(endpoint)},
        lambda connection: events.record(connection, endpoint.subject, event),
        where=IS_WANTED,
    )


def _progress(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "variants": [vars(variant) for variant in endpoint.variants],
        "models": {name: vars(model) for name, model in endpoint.models.items()},
        "failure": endpoint.failure,
        "short_lives": dict(endpoint.short_lives),
        "environments": dict(endpoint.environments),
        "prepared_at": endpoint.prepared_at,
    }


def _remove(claim: LeasedRecord, endpoint: Endpoint) -> None:
    def forget(connection: Connection) -> None:
        tags.delete_all(connection, endpoint.subject)
        events.delete_all(connection, endpoint.subject)

    _remove_work(claim.context, endpoint)
    claim.remove(forget)


def _remove_work(context: Context, endpoint: Endpoint) -> None:
    for work_id in _ids(endpoint):
        context.engine.remove(work_id)
    for name in endpoint.environments.values():
        environments.let_go(context, name)


def _ids(endpoint: Endpoint) -> Iterator[str]:
    return chain.from_iterable(endpoint.work_ids().values())


def _status(context: Context, work_id: str) -> ReplicaStatus:
    return next(iter(context.engine.status(work_id)), ReplicaStatus(Phase.ABSENT))
