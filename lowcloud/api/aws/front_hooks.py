"""Front hooks: functions of a service before and around the common path of a request.

Most services need nothing of their own: `SignedRequests` verifies their requests. A service that answers requests of
other kinds too (S3: CORS preflights, browser forms, anonymous reads) registers a hook of its own, which the gateway
calls at the same points.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from hashlib import sha256
from typing import Protocol

from lowcloud.api.aws.auth import signature_v2, signature_v4
from lowcloud.api.aws.auth.credentials import find_credentials_in_worker
from lowcloud.api.aws.auth.signature_errors import SignatureError, SignatureFault, unsupported_version
from lowcloud.api.aws.auth.signature_v4 import SignatureClaim
from lowcloud.api.aws.exchange import Exchange
from lowcloud.api.aws.protocol.routing import find_target
from lowcloud.api.aws.request_bodies import RequestBody, inflate
from lowcloud.api.http.incoming import Allowance, IncomingBody
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.core.context import Context

UNVERIFIED_BYTES = 256 << 20  # in memory of bodies whose senders can be verified only with the complete body


class FrontHook(Protocol):
    """The points of the common path at which a service may differ."""

    def responds_to(self, request: HttpRequest) -> bool:
        """Return whether the hook responds to this request itself. Called on every hook for every request."""

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond to a request that is not an operation, e.g. a CORS preflight. Raises AwsError."""

    async def verify(
        self, exchange: Exchange, claim: SignatureClaim | None, incoming: IncomingBody
    ) -> bytes | RequestBody:
        """Set the caller and the target of the exchange, and return the body.

        Raises SignatureError, AwsError and RequestBodyError.
        """

    async def finish(self, exchange: Exchange, response: HttpResponse) -> None:
        """Add the service's headers to a response, which may be an error."""

    def close(self) -> None:
        """Release the hook's resources."""


class SignedRequests:
    """The hook of services without one of their own: every request is signed with Signature Version 4."""

    def __init__(self, context: Context, workers: Executor):
        self._context = context
        self._workers = workers
        self._allowance = Allowance(UNVERIFIED_BYTES)

    def responds_to(self, request: HttpRequest) -> bool:
        return False

    async def respond(self, request: HttpRequest) -> HttpResponse:
        raise AssertionError("responds_to refuses every request")

    async def verify(
        self, exchange: Exchange, claim: SignatureClaim | None, incoming: IncomingBody
    ) -> bytes | RequestBody:
        request = exchange.request
        if claim is None:
            raise unsupported_version() if signature_v2.is_signed(request) else unsigned()
        credentials = await find_credentials_in_worker(
            self._context, self._workers, claim.access_key_id, claim.session_token
        )
        secret = credentials.secret_access_key
        declared = None if claim.is_presigned else request.headers.get("x-amz-content-sha256")
        if declared is not None:  # the head has all that is signed
            signature_v4.verify(request, claim, secret, declared, self._context.now())
            raw = await incoming.read_all()
            if sha256(raw).hexdigest() != declared:
                raise SignatureError(
                    SignatureFault.MISMATCH, "The SHA-256 of the body differs from x-amz-content-sha256."
                )
        else:
            signature_v4.check_head(request, claim, self._context.now())
            with self._allowance.share() as take:
                raw = await incoming.read_all(take=take)
                signature_v4.verify(request, claim, secret, sha256(raw).hexdigest(), self._context.now())
        exchange.caller = credentials.caller
        exchange.target = find_target(request, exchange.dialect, raw)
        return inflate(raw) if request.headers.get("content-encoding") == "gzip" else raw

    async def finish(self, exchange: Exchange, response: HttpResponse) -> None:
        return None

    def close(self) -> None:
        return None


FRONT_HOOKS: dict[str, Callable[[Context, Executor], FrontHook]] = {}  # by the service's name

Create = Callable[[Context, Executor], FrontHook]


def front_hook(service: str) -> Callable[[Create], Create]:
    """Register the front hook of a service: how to create it, given an executor for what blocks."""

    def register(create: Create) -> Create:
        assert service not in FRONT_HOOKS, f"{service} has two front hooks"
        FRONT_HOOKS[service] = create
        return create

    return register


def unsigned() -> SignatureError:
    """Return the refusal of a request without a signature."""
    return SignatureError(SignatureFault.MISSING, "The request is not signed: it has no Authorization header.")
