"""STS's front hook: operations whose request has a token of an identity provider instead of a signature."""

from concurrent.futures import Executor

from lowcloud.api.aws.auth import signature_v2
from lowcloud.api.aws.auth.signature_v4 import SignatureClaim
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.exchange import Exchange
from lowcloud.api.aws.front_hooks import SignedRequests, front_hook, unsigned
from lowcloud.api.aws.protocol.routing import find_target
from lowcloud.api.aws.request_bodies import RequestBody
from lowcloud.api.http.incoming import Allowance, IncomingBody
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import ANONYMOUS

UNSIGNED = frozenset(("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"))
REQUEST_BYTES = 256 << 10  # a token has at most 20,000 characters
ALL_REQUESTS_BYTES = 16 << 20  # in memory at once


@front_hook("sts")
class StsFrontHook(SignedRequests):
    """The work of STS around the common path."""

    def __init__(self, context: Context, workers: Executor):
        super().__init__(context, workers)
        self._unsigned_allowance = Allowance(ALL_REQUESTS_BYTES)

    async def verify(
        self, exchange: Exchange, claim: SignatureClaim | None, incoming: IncomingBody
    ) -> bytes | RequestBody:
        """Accept an unsigned request for an operation that verifies its sender itself, and whoever signs as usual."""
        if claim is not None or signature_v2.is_signed(exchange.request):
            return await super().verify(exchange, claim, incoming)
        with self._unsigned_allowance.share() as take:
            raw = await incoming.read_all(REQUEST_BYTES, take=take)
        try:
            target = find_target(exchange.request, exchange.dialect, raw)
        except AwsError as error:  # an operation of another service
            raise unsigned() from error
        if target.operation.name not in UNSIGNED:
            raise unsigned()
        exchange.caller, exchange.target = ANONYMOUS, target
        return raw
