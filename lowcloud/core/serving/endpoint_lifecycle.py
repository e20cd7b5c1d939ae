"""The life of an endpoint: start its replicas, keep them running, and remove everything when deletion is requested.

A pure `step`, and how its turns observe, save and act (control/turns.py).
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table, select

from lowcloud.core import events, resources, tags
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord, LeaseLostError
from lowcloud.core.control.turns import SupersededError, take_turn
from lowcloud.core.environments import builds
from lowcloud.core.errors import NotFoundError
from lowcloud.core.programs.resolver import Program
from lowcloud.core.scheduling import capacity
from lowcloud.core.serving import endpoint_credentials, endpoint_records, model_servers
from lowcloud.core.serving.endpoint_records import SEE_LOG, Endpoint, EndpointState, Variant
from lowcloud.core.telemetry import logs
from lowcloud.engine.work import LogLine, Phase, Replica, ReplicaStatus, StagingError, Work, reported_failure, status_of
from lowcloud.store.db.tables import serving as tables

STARTUP_TIMEOUT_SECONDS = 600.0
STARTUP_INTERVAL_SECONDS = 0.02
HEALTH_INTERVAL_SECONDS = 1.0
FAILURE_INTERVAL_SECONDS = 10.0  # between attempts at a replica that cannot be started
SHORT_LIFE_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 300.0  # before a replica that ends soon after each start is started again
CANNOT_RESTART = "A replica of endpoint {name} cannot be started again: {reason}"
FAILURE_BYTES = 1024  # read of the failure file of a model server

IS_NOT_DELETED = tables.endpoints.c.delete_requested.is_(False)

log = logging.getLogger("lowcloud.endpoints")


class ActionType(StrEnum):
    """A type of action that a step returns; each is safe to repeat."""

    CHOOSE = "choose"  # the program and the environment of each model
    START = "start"  # replicas, whose environments are built first
    CLEAR = "clear"  # replicas that have ended, so that they are started again
    REMOVE = "remove"  # everything


@dataclass(frozen=True)
class EndpointAction:
    """An action, and the replicas to perform it for."""

    type: ActionType
    work_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class EndpointObservation:
    """The facts a step decides on: the state of the replicas, and the result of the last action."""

    replicas: Mapping[str, ReplicaStatus] = field(default_factory=dict)  # by work id
    are_answering: bool = False  # all of them
    are_prepared: bool = False  # the environments that were chosen
    programs: Mapping[str, Program] = field(default_factory=dict)  # chosen now, by model
    environments: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None  # why replicas cannot run
    waits_for: str | None = None  # why the engine can start no work now
    is_removed: bool = False


Step = tuple[Endpoint, EndpointAction | None]


def step(endpoint: Endpoint, seen: EndpointObservation, now: float) -> Step:
    """Return the next state of an endpoint and the action to perform in it. Pure."""
    if seen.is_removed:
        return endpoint, None
    if endpoint.delete_requested or endpoint.state == EndpointState.FAILED:
        return endpoint, EndpointAction(ActionType.REMOVE)
    if seen.failure:
        if endpoint.state == EndpointState.CREATING:
            return _fail(endpoint, seen.failure, now)
        return replace(endpoint, failure=CANNOT_RESTART.format(name=endpoint.name, reason=seen.failure)), None
    if seen.waits_for:  # the time that replicas have for their start begins later
        return replace(endpoint, waits_for=seen.waits_for, prepared_at=None), None
    endpoint = replace(
        endpoint,
        waits_for=None,
        programs={**endpoint.programs, **seen.programs},
        environments={**endpoint.environments, **seen.environments},
    )
    if not endpoint.models.keys() <= endpoint.environments.keys() & endpoint.programs.keys():
        return endpoint, EndpointAction(ActionType.CHOOSE)
    if endpoint.prepared_at is None and seen.are_prepared:
        endpoint = replace(endpoint, prepared_at=now)
    if endpoint.state == EndpointState.IN_SERVICE:
        return _step_in_service(endpoint, seen, now)
    if seen.are_answering:
        return replace(endpoint, state=EndpointState.IN_SERVICE, modified_at=now), None
    if endpoint.prepared_at is not None and now - endpoint.prepared_at > STARTUP_TIMEOUT_SECONDS:
        see = SEE_LOG.format(name=endpoint.name)
        late = f"The replicas did not answer within {STARTUP_TIMEOUT_SECONDS:.0f} seconds. {see}"
        return _fail(endpoint, late, now)
    return endpoint, _start_absent(seen)


def _step_in_service(endpoint: Endpoint, seen: EndpointObservation, now: float) -> Step:
    """Restart the replicas that have ended, those that end soon after each start with growing delays."""
    if seen.are_answering:
        endpoint = replace(endpoint, failure=None)
    restarted = []
    short_lives = dict(endpoint.short_lives)
    for work_id, status in seen.replicas.items():
        if not status.phase.is_end:
            continue
        ended_at = status.ended_at or now
        was_short = ended_at - (status.started_at or ended_at) < SHORT_LIFE_SECONDS
        count = short_lives.get(work_id, 0) if was_short else 0
        if 0 <= now - ended_at < restart_delay_seconds(count):  # unless the clock was set back
            continue
        short_lives[work_id] = count + was_short
        restarted.append(work_id)
    if restarted:
        return replace(endpoint, short_lives=short_lives), EndpointAction(ActionType.CLEAR, tuple(restarted))
    return endpoint, _start_absent(seen)


def _start_absent(seen: EndpointObservation) -> EndpointAction | None:
    absent = [work_id for work_id, each in seen.replicas.items() if each.phase in (Phase.ABSENT, Phase.STAGING)]
    return EndpointAction(ActionType.START, tuple(absent)) if absent else None


def _fail(endpoint: Endpoint, failure: str, now: float) -> Step:
    failed = replace(endpoint, state=EndpointState.FAILED, failure=failure, modified_at=now)
    return failed, EndpointAction(ActionType.REMOVE)


def restart_delay_seconds(short_lives: int) -> float:
    """Return the delay before a replica that ended early this often in a row is restarted: 0, 2, 4, 8 ... Pure."""
    return min(LONGEST_WAIT_SECONDS, 2.0**short_lives) if short_lives else 0.0


class EndpointLifecycle:
    """The lifecycle of an endpoint: how turns observe, save and act; see control/turns.py."""

    def __init__(self, record: LeasedRecord):
        self._record = record
        self._context = record.context

    step = staticmethod(step)

    def observe(self, endpoint: Endpoint) -> EndpointObservation:
        """Collect the output of the replicas and return their states."""
        if endpoint.delete_requested or endpoint.state == EndpointState.FAILED:
            return EndpointObservation()
        context = self._context
        replicas = {work_id: status_of(context.engine, work_id) for work_id in _work_ids(endpoint)}
        _collect_logs(context, endpoint, replicas)
        are_running = all(status.phase == Phase.RUNNING for status in replicas.values())
        return EndpointObservation(
            replicas,
            waits_for=None if are_running else context.engine.readiness() or None,
            are_answering=all(context.engine.address(work_id, 0) for work_id in replicas),
            are_prepared=all(builds.is_ready(context, name) for name in endpoint.environments.values()),
            failure=_early_end(context, endpoint, replicas) if endpoint.state == EndpointState.CREATING else None,
        )

    def save(self, before: Endpoint, after: Endpoint) -> None:
        """Save a step, with an event if the state has changed. Raises SupersededError if deletion was requested."""
        values = {"state": after.state, "modified_at": after.modified_at, "progress": _progress(after)}
        event = events.Event(after.modified_at, after.state, after.failure or f"The endpoint is {after.state}")

        told = self._failure_stream(after) if after.failure and after.failure != before.failure else None

        def record_event(connection: Connection) -> None:
            if told is not None:
                now_ms = int(self._context.now() * 1000)
                logs.append(connection, told, [LogLine(now_ms, after.failure or "")], now_ms)
            if before.state != after.state:
                events.record(connection, after.subject, event)
            elif after.waits_for and after.waits_for != before.waits_for:
                events.record(
                    connection, after.subject, events.Event(self._context.now(), after.state, after.waits_for)
                )

        if not self._record.save(values, record_event, where=IS_NOT_DELETED):
            raise SupersededError(after.name)

    def _failure_stream(self, endpoint: Endpoint) -> int | None:
        """Return the id of the log stream that says why replicas cannot be started again; other reasons have events."""
        if endpoint.state != EndpointState.IN_SERVICE:
            return None
        log.warning(endpoint.failure)
        name = f"replicas-{int(endpoint.created_at * 1000)}"
        return int(logs.open_stream(self._context, endpoint.log_group, name).id)

    def perform(self, endpoint: Endpoint, action: EndpointAction) -> EndpointObservation:
        """Perform an action."""
        match action.type:
            case ActionType.CHOOSE:
                return self._choose(endpoint)
            case ActionType.START:
                return self._start(endpoint, action.work_ids)
            case ActionType.CLEAR:
                for work_id in action.work_ids:
                    self._context.engine.remove(work_id)
                return self.observe(endpoint)
            case ActionType.REMOVE:
                _remove_work(self._context, endpoint)
                return EndpointObservation(is_removed=True)

    def refresh(self, endpoint: Endpoint) -> Endpoint:
        """Return the record: deletion, the only request, is noticed when a step is saved and in the next turn."""
        return endpoint

    def _choose(self, endpoint: Endpoint) -> EndpointObservation:
        try:
            programs = {
                name: endpoint.programs.get(name) or model_servers.program_of(self._context, model)
                for name, model in endpoint.models.items()
            }
            environments = {
                name: model_servers.environment_request(self._context, model, programs[name]).name
                for name, model in endpoint.models.items()
                if name not in endpoint.environments
            }
        except StagingError as error:
            return EndpointObservation(failure=str(error))
        chosen = replace(endpoint, environments={**endpoint.environments, **environments})
        return replace(self.observe(chosen), programs=programs, environments=environments)

    def _start(self, endpoint: Endpoint, work_ids: tuple[str, ...]) -> EndpointObservation:
        context = self._context
        try:
            for variant in endpoint.variants:
                for work_id in endpoint.work_ids()[variant.name]:
                    if work_id in work_ids and _build_environment(context, endpoint, variant):
                        context.engine.start(_work(context, endpoint, variant, work_id))
        except StagingError as error:
            return EndpointObservation(failure=str(error))
        return self.observe(endpoint)


def advance(record: LeasedRecord) -> float | None:
    """Take one turn of an endpoint; see ResourceKind.advance."""
    context = record.context
    try:
        endpoint: Endpoint = resources.find(context, record.kind, record.name)
    except NotFoundError as error:  # only the holder of its lease removes it
        raise LeaseLostError(record.name) from error
    try:
        endpoint, seen = take_turn(EndpointLifecycle(record), endpoint, context.now)
    except SupersededError:
        return 0.0
    if endpoint.delete_requested:
        _forget(record, endpoint)
        return None
    if endpoint.state == EndpointState.FAILED:
        return None if record.release(None, where=IS_NOT_DELETED) else 0.0
    if endpoint.state == EndpointState.IN_SERVICE and seen.failure:
        return FAILURE_INTERVAL_SECONDS
    if seen.waits_for:
        return HEALTH_INTERVAL_SECONDS
    return HEALTH_INTERVAL_SECONDS if endpoint.state == EndpointState.IN_SERVICE else STARTUP_INTERVAL_SECONDS


def suspend(context: Context) -> None:
    """End every replica when the last server shuts down: no client could reach them. The next server restarts them."""
    with context.database.read() as connection:
        rows = connection.execute(tables.endpoints.select()).all()
    for row in rows:
        _remove_work(context, endpoint_records.from_row(row))


def environments_in_use(connection: Connection, table: Table) -> set[str]:
    """Return the Python environments of endpoints that are not failed or being deleted; see Work.environment."""
    column = table.c
    serving = select(column.progress).where(column.delete_requested.is_(False), column.state != EndpointState.FAILED)
    return {name for progress in connection.scalars(serving) for name in progress.get("environments", {}).values()}


def reserved_memory(context: Context, connection: Connection) -> int:
    """Return the bytes of memory of the machine that the replicas of all endpoints may use."""
    column = tables.endpoints.c
    return sum(
        variant["instance_count"] * capacity.of_replica(context, variant["instance_type"]).each.memory_bytes
        for progress in connection.scalars(select(column.progress).where(column.due_at.is_not(None)))
        for variant in progress["variants"]
    )


def _early_end(context: Context, endpoint: Endpoint, replicas: Mapping[str, ReplicaStatus]) -> str | None:
    """Return why a replica has ended before all of them answered, if one has."""
    for work_id, status in replicas.items():
        if status.phase.is_end:
            return reported_failure(context.engine, work_id, 0, FAILURE_BYTES) or (
                f"The model server ended with exit code {status.exit_code} before it answered. "
                f"{SEE_LOG.format(name=endpoint.name)}"
            )
    return None


def _build_environment(context: Context, endpoint: Endpoint, variant: Variant) -> bool:
    """Build the Python environment of a variant, or continue to; return whether it is ready. Raises StagingError."""
    model, program = endpoint.models[variant.model], endpoint.programs[variant.model]
    stream = f"{variant.name}/environment-{int(endpoint.created_at * 1000)}"

    def plan() -> Work:
        return model_servers.environment_request(context, model, program).builder(context)

    def collect(work_id: str, run: str) -> None:
        logs.collect(context, endpoint.log_group, stream, work_id, 0, run=run)

    return builds.build(context, endpoint.environments[variant.model], plan, collect)


def _work(context: Context, endpoint: Endpoint, variant: Variant, work_id: str) -> Work:
    model, program = endpoint.models[variant.model], endpoint.programs[variant.model]
    network = model_servers.has_network(model, program)
    client = endpoint_credentials.variables(context, endpoint, model) if network else {}
    archives = model_servers.archives_of(context, model)
    return Work(
        id=work_id,
        command=program.command,
        replicas=(Replica(variables={**model.variables, **client}, archives=archives),),
        resources=capacity.of_replica(context, variant.instance_type).each,
        network=network,
        serves=True,
        environment=endpoint.environments[variant.model],
    )


def _collect_logs(context: Context, endpoint: Endpoint, replicas: Mapping[str, ReplicaStatus]) -> None:
    group = endpoint.log_group
    for variant, work_ids in endpoint.work_ids().items():
        for replica, work_id in enumerate(work_ids):
            started_at = replicas[work_id].started_at
            if started_at is None:
                continue
            stream = f"{variant}/{replica}-{int(started_at * 1000)}"  # a restarted replica has a stream of its own
            logs.collect(context, group, stream, work_id, 0)


def _progress(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "variants": [vars(variant) for variant in endpoint.variants],
        "models": {name: vars(model) for name, model in endpoint.models.items()},
        "failure": endpoint.failure,
        "short_lives": dict(endpoint.short_lives),
        "programs": {name: asdict(program) for name, program in endpoint.programs.items()},
        "environments": dict(endpoint.environments),
        "prepared_at": endpoint.prepared_at,
        "waits_for": endpoint.waits_for,
    }


def _forget(record: LeasedRecord, endpoint: Endpoint) -> None:
    def forget(connection: Connection) -> None:
        tags.delete_all(connection, endpoint.subject)
        events.delete_all(connection, endpoint.subject)

    record.delete(forget)


def _remove_work(context: Context, endpoint: Endpoint) -> None:
    for work_id in _work_ids(endpoint):
        context.engine.remove(work_id)
    for name in endpoint.environments.values():
        builds.release(context, name)


def _work_ids(endpoint: Endpoint) -> Iterator[str]:
    return chain.from_iterable(endpoint.work_ids().values())
