"""The record of one exchange: who asked for what, whether it was allowed, and what came of it."""

import asyncio
import time
from collections.abc import Iterable

from lowcloud.api.aws.audit.classes import is_data, is_read_only
from lowcloud.api.aws.audit.redaction import redact
from lowcloud.api.aws.auth.signature_errors import SignatureError
from lowcloud.api.aws.exchange import Exchange
from lowcloud.core.audit import writer
from lowcloud.core.audit.records import Actor, Asked, Record
from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError
from lowcloud.core.identity.access import AccessDeniedError, Permission
from lowcloud.core.identity.refusals import actor_of

UNPROVEN_PER_SECOND = 20  # refusals of senders that prove nothing, recorded by one process; others are counted
WAIT_SECONDS = 5.0  # for a database that does not answer
TEXT_LIMIT = 512  # of what a sender chooses freely
ASKED_LIMIT = 20
PART_REFUSED = "AccessDenied"  # the code in answers whose other parts succeeded


class Recorder:
    """Records the exchanges of one gateway."""

    def __init__(self, context: Context):
        self._context = context
        self._second = 0
        self._unproven = 0  # recorded in this second
        self._omitted = 0

    async def record(self, exchange: Exchange) -> None:
        """Record an exchange whose outcome is known.

        Returns once the record of a change or a refusal is durable: its response is not sent before, unless the
        database cannot be written.
        """
        if exchange.request.method == "OPTIONS":  # a browser's question, before a request that is recorded
            return
        context, is_refused = self._context, _is_refused(exchange)
        if not is_refused and (exchange.target is None or not self._is_recorded(exchange)):
            return
        is_unproven = exchange.caller is None or exchange.caller.is_anonymous
        if is_unproven and (is_refused or exchange.failure) and not self._admits_unproven():
            return
        record = record_of(context, exchange, is_refused, self._omitted)
        self._omitted = 0
        if is_refused or not (record.is_read_only or exchange.failure):
            durable = writer.of(context).add_awaited(context, record)
            await asyncio.wait([asyncio.wrap_future(durable)], timeout=WAIT_SECONDS)
        else:
            writer.of(context).add(context, record)

    def _is_recorded(self, exchange: Exchange) -> bool:
        assert exchange.target is not None
        return self._context.settings.audits_data or not is_data(exchange.service, exchange.target.operation.name)

    def _admits_unproven(self) -> bool:
        """Return whether the refusal of an unproven sender is recorded: they could fill the disk."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._unproven = second, 0
        if self._unproven >= UNPROVEN_PER_SECOND:
            self._omitted += 1
            return False
        self._unproven += 1
        return True


def record_of(context: Context, exchange: Exchange, is_refused: bool, omitted: int = 0) -> Record:
    """Return the record of an exchange."""
    operation = exchange.target.operation if exchange.target is not None else None
    name = operation.name if operation is not None else ""
    refusals = _refusals(exchange)
    denied = refusals[0] if refusals else None
    return Record(
        id=exchange.request.id,
        time=context.now(),
        account=(exchange.caller.account_id if exchange.caller is not None else "") or context.settings.account_id,
        actor=_actor(exchange),
        service=exchange.service,
        operation=name,
        is_read_only=is_read_only(name),
        region=context.settings.region,
        address=exchange.request.client,
        agent=exchange.request.headers.get("user-agent", "")[:TEXT_LIMIT],
        asked=_asked([*(one.permission for one in refusals), *exchange.permissions]),
        is_refused=is_refused,
        is_data=is_data(exchange.service, name),
        deciding=denied.decision.sort.value if denied else "",
        is_explicit=denied.decision.is_explicit if denied else False,
        error=exchange.error.code if exchange.error is not None else PART_REFUSED if denied else "",
        message=str(denied)[: 4 * TEXT_LIMIT] if denied else "",
        parameters=redact(operation.input_shape, exchange.parsed) if operation is not None and exchange.parsed else {},
        omitted=omitted,
    )


def _refusals(exchange: Exchange) -> list[AccessDeniedError]:
    failure = exchange.failure
    return [*([failure] if isinstance(failure, AccessDeniedError) else []), *exchange.refused_parts]


def _is_refused(exchange: Exchange) -> bool:
    """Return whether the cloud did not let the sender do it, or all of it, rather than that it failed."""
    error = exchange.error
    if isinstance(exchange.failure, SignatureError | ForbiddenError) or exchange.refused_parts:
        return True
    return error is not None and (error.status in (401, 403) or error.code.startswith("AccessDenied"))


def _actor(exchange: Exchange) -> Actor:
    caller = exchange.caller
    if caller is None:
        return Actor("", access_key_id=exchange.claimed_key_id[:TEXT_LIMIT])
    return actor_of(caller)


def _asked(permissions: Iterable[Permission]) -> tuple[Asked, ...]:
    unique = dict.fromkeys(Asked(one.action, one.resource, one.account_id) for one in permissions)
    return tuple(unique)[:ASKED_LIMIT]
