"""One request, from bytes to bytes: identify, verify the signature, parse, validate, authorise, perform, serialise.

`Gateway` is an ASGI application; `_respond` is the path of every request, to be read from top to bottom.
"""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from lowcloud.api.aws import errors, services
from lowcloud.api.aws.access_log import AccessLog
from lowcloud.api.aws.auth import signature, signature_v2
from lowcloud.api.aws.auth.presigned_headers import with_hoisted
from lowcloud.api.aws.auth.signature import SignatureClaim, SignatureError, SignatureFault, read_claim
from lowcloud.api.aws.auth.signature_v2 import OldClaim
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.http import HttpRequest, HttpResponse, MalformedUrlError, request_head
from lowcloud.api.aws.operations import Operation
from lowcloud.api.aws.protocol import routing
from lowcloud.api.aws.protocol.bucket_hosts import bucket_of, own_names
from lowcloud.api.aws.protocol.parse import parse
from lowcloud.api.aws.protocol.routing import Dialect, Target, find_dialect, find_place, find_target, of_operation
from lowcloud.api.aws.protocol.serialize import serialize, serialize_error
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.protocol.validate import refuse_unsupported, validate
from lowcloud.api.aws.request_bodies import (
    SMALL_BYTES,
    Incoming,
    Receive,
    RequestBody,
    declared_hash,
    inflate,
    open_body,
)
from lowcloud.api.aws.responses import Send, send_response
from lowcloud.api.aws.services.s3 import actions, cors, forms
from lowcloud.api.aws.services.s3.integrity import check_document
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.identity.access import (
    ANONYMOUS,
    Caller,
    Credentials,
    TokenExpiredError,
    UnknownKeyError,
    authorise,
    find_credentials,
)
from lowcloud.core.storage.access.public_access import may_admit
from lowcloud.core.storage.failures import faults_told
from lowcloud.core.storage.objects.bodies import LARGEST_BODY_BYTES

WORKERS = 64
UPLOADS = 512  # bodies on their way at the pace of their senders, who must not hold up anybody else
FORMS = 64  # uploads of browsers, who show only in their bodies who they are
LARGEST_FRAMING_BYTES = 1 << 30  # of a body in chunks, around what it carries
Result = TypeVar("Result")
log = logging.getLogger("lowcloud.gateway")


@dataclass(slots=True)
class Exchange:
    """What has become known of one request; the access log and the errors speak from it."""

    request: HttpRequest
    dialect: Dialect = field(default_factory=lambda: Dialect(("s3",), routing.REST_XML))
    target: Target | None = None
    caller: Caller | None = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def service(self) -> str:
        return self.target.service.name if self.target is not None else self.dialect.services[0]


class Gateway:
    """All services on one port, as an ASGI application."""

    def __init__(self, context: Context, operations: Mapping[tuple[str, str], Operation] = services.OPERATIONS):
        self._context = context
        self._operations = operations
        self._own_names = own_names(context.settings.host)
        self._log = AccessLog()
        self._workers = ThreadPoolExecutor(WORKERS, "operation")
        self._uploads = ThreadPoolExecutor(UPLOADS, "upload")
        self._forms = ThreadPoolExecutor(FORMS, "form")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await _ignore(scope, receive, send)
        exchange = Exchange(request_head(scope))
        incoming = Incoming(receive, exchange.request.headers)
        response = await self._answer(exchange, incoming)
        response.headers["x-amzn-requestid"] = response.headers["x-amz-request-id"] = exchange.request.id
        if exchange.service == "s3":
            response.headers["x-amz-id-2"] = exchange.request.id
            if "origin" in exchange.request.headers and exchange.request.method != "OPTIONS":
                response.headers.update(await self._in_worker(self._cors_headers, exchange.request))
        try:
            await send_response(response, exchange.request.method, send, self._workers, incoming)
        except Exception:
            log.exception("request %s ended before its answer", exchange.request.id)
            raise  # what ends the connection: the client must see that bytes are missing
        finally:
            self._write_access_log(exchange, response.status)
        return None

    def warm(self) -> None:
        """Load the models of the services that have operations, in a thread of its own."""
        threading.Thread(target=self.load_models, name="models", daemon=True).start()

    @staticmethod
    def load_models() -> None:
        """Load the models of the services that have operations."""
        for name in sorted({service for service, _ in services.OPERATIONS}):
            load_service(name)
        gc.freeze()  # they live as long as the process: a full collection would look through them for 45 ms

    def close(self) -> None:
        """Let running operations end."""
        self._log.flush()
        for pool in (self._workers, self._uploads, self._forms):
            pool.shutdown(wait=False, cancel_futures=True)

    def _write_access_log(self, exchange: Exchange, status: int) -> None:
        self._log.add(
            exchange.request.id,
            exchange.service,
            exchange.target.operation.name if exchange.target else "-",
            status,
            time.perf_counter() - exchange.started,
            _name(exchange.caller),
        )

    async def _answer(self, exchange: Exchange, incoming: Incoming) -> HttpResponse:
        """The response, whatever happens."""
        try:
            with faults_told():
                return await self._respond(exchange, incoming)
        except AwsError as error:
            return _error_response(exchange, error)
        except SignatureError as error:
            return _error_response(exchange, errors.of_signature(error, exchange.dialect.protocol))
        except MalformedUrlError as error:
            return _error_response(exchange, AwsError("InvalidURI", f"Couldn't parse the specified URI: {error}"))
        except CloudError as error:
            return _error_response(exchange, errors.of_core(error, exchange.service))
        except Exception:  # the edge: nothing below may end a request without an answer
            log.exception("request %s failed", exchange.request.id)
            return _error_response(exchange, errors.internal(exchange.service, exchange.request.id))

    async def _respond(self, exchange: Exchange, incoming: Incoming) -> HttpResponse:
        request = exchange.request
        if request.method == "OPTIONS" and "authorization" not in request.headers:
            return await self._in_worker(self._preflight, request)
        claim = read_claim(request)
        exchange.dialect = find_dialect(request, claim.service if claim else None)
        if claim is None:
            return await self._respond_to_stranger(exchange, incoming)
        credentials = _find_credentials(self._context, claim)

        if exchange.dialect.services[0] == "s3":
            payload_hash = declared_hash(request.headers, claim)
            signature.verify(request, claim, credentials.secret_access_key, payload_hash, self._context.now())
            if claim.expires_seconds is not None:
                exchange.request = request = with_hoisted(request)
            exchange.caller = credentials.caller
            exchange.target = target = find_target(request, exchange.dialect, b"", self._own_names)
            body = await _open_s3_body(target, request, incoming, payload_hash, claim, credentials)
        else:
            signature.check_time(claim, self._context.now())  # before reading on; verify repeats it
            raw = await incoming.whole()
            payload_hash = _payload_hash(request, claim, raw)
            signature.verify(request, claim, credentials.secret_access_key, payload_hash, self._context.now())
            exchange.caller = credentials.caller
            exchange.target = target = find_target(request, exchange.dialect, raw, self._own_names)
            body = inflate(raw) if request.headers.get("content-encoding") == "gzip" else raw

        return await self._carry_out(exchange, target, body)

    async def _respond_to_stranger(self, exchange: Exchange, incoming: Incoming) -> HttpResponse:
        """A request without a signature passes where it is S3's and its bucket lets anyone send it."""
        request = exchange.request
        if signature_v2.is_signed(request):
            return await self._respond_to_old(exchange, incoming)
        unsigned = SignatureError(SignatureFault.MISSING, "The request is not signed: it has no Authorization header.")
        if exchange.dialect.services[0] != "s3":
            raise unsigned
        bucket, key = find_place(request, self._own_names)
        loop = asyncio.get_running_loop()
        if forms.is_form(request) and bucket and not key:
            pieces = incoming.pieces(loop)
            return await loop.run_in_executor(self._forms, self._perform_form, exchange, bucket, pieces)
        if not bucket or not await self._in_worker(may_admit, self._context, bucket):
            raise unsigned
        target = find_target(request, exchange.dialect, b"", self._own_names)
        if target.operation.name not in actions.OPEN:
            raise unsigned
        exchange.caller, exchange.target = ANONYMOUS, target
        body = await _open_s3_body(target, request, incoming, declared_hash(request.headers, None), None, None)
        return await self._carry_out(exchange, target, body)

    async def _respond_to_old(self, exchange: Exchange, incoming: Incoming) -> HttpResponse:
        """A URL signed by Version 2, which only S3 takes."""
        if exchange.dialect.services[0] != "s3":
            raise signature.old_version()
        claim = signature_v2.read_claim(exchange.request)
        credentials = _find_credentials(self._context, claim)
        bucket = bucket_of(exchange.request.host, self._own_names)
        claim.verify(bucket, credentials.secret_access_key, self._context.now())
        exchange.caller, exchange.request = credentials.caller, claim.request
        exchange.target = target = find_target(claim.request, exchange.dialect, b"", self._own_names)
        signed = find_target(signature_v2.without_unsigned(claim.request), exchange.dialect, b"", self._own_names)
        if signed.operation.name != target.operation.name:
            raise SignatureError(SignatureFault.MISMATCH, f"The signature is not one for {target.operation.name}.")
        payload_hash = declared_hash(claim.request.headers, None)
        body = await _open_s3_body(target, claim.request, incoming, payload_hash, None, None)
        return await self._carry_out(exchange, target, body)

    async def _carry_out(self, exchange: Exchange, target: Target, body: bytes | RequestBody) -> HttpResponse:
        operation = self._operations.get((target.service.name, target.operation.name))
        if operation is None:
            raise errors.not_implemented(target.service.name, target.operation.name)
        if operation.is_async:
            parsed = self._prepare(operation, target, exchange, body)
            with faults_told():
                answer = await operation.function(self._context, exchange.caller, parsed)
            return serialize(target.service, target.operation, target.protocol, answer, exchange.request.id)
        pool = self._uploads if isinstance(body, RequestBody) and body.is_incoming else self._workers
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, self._perform, operation, target, exchange, body)

    async def _in_worker(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *arguments)

    def _perform_form(self, exchange: Exchange, bucket: str, pieces: Iterator[bytes]) -> HttpResponse:
        """An upload from a browser's form: the put of an object, said otherwise."""
        form = forms.read_form(self._context, exchange.request, bucket, pieces)
        exchange.caller = form.caller
        exchange.target = target = of_operation("s3", "PutObject", form.request.path, form.labels)
        put = Exchange(form.request, exchange.dialect, target, form.caller)
        return forms.answer(form, self._perform(self._operations["s3", "PutObject"], target, put, form.file))

    def _preflight(self, request: HttpRequest) -> HttpResponse:
        return cors.preflight(self._context, request, *find_place(request, self._own_names))

    def _cors_headers(self, request: HttpRequest) -> dict[str, str]:
        """What lets the page that sent this read the answer, where its bucket's rules can be read themselves."""
        try:
            with faults_told():
                bucket, _ = find_place(request, self._own_names)
                return cors.answer_headers(self._context, request, bucket) if bucket else {}
        except (AwsError, CloudError, MalformedUrlError):
            return {}  # the answer is an error that says why

    def _perform(
        self, operation: Operation, target: Target, exchange: Exchange, body: bytes | RequestBody
    ) -> HttpResponse:
        """The part of a plain operation's request that runs in a worker thread."""
        parsed = self._prepare(operation, target, exchange, body)
        try:
            with faults_told():
                answer = operation.function(self._context, exchange.caller, parsed)
        except AwsError as error:
            if exchange.caller is ANONYMOUS and actions.must_hide(self._context, error, parsed):
                raise AwsError("AccessDenied", "Access Denied", 403) from error
            raise
        return serialize(target.service, target.operation, target.protocol, answer, exchange.request.id)

    def _prepare(
        self, operation: Operation, target: Target, exchange: Exchange, body: bytes | RequestBody
    ) -> dict[str, Any]:
        """The operation's input: parsed, valid, and allowed to this caller."""
        parsed = parse(target, exchange.request, body)
        has_document = isinstance(body, bytes) and bool(body) and target.protocol == routing.REST_XML
        code = errors.validation_code(target.service.name, target.protocol, has_document)
        validate(target.operation, parsed, code)
        refuse_unsupported(parsed, operation.refused, *errors.refusal_code(target.service.name, code))
        assert exchange.caller is not None
        if exchange.caller.is_anonymous:
            actions.let_stranger(self._context, target.operation.name, parsed)
        else:
            authorise(self._context, exchange.caller, f"{target.service.name}:{target.operation.name}", target.path)
        return parsed


def _find_credentials(context: Context, claim: SignatureClaim | OldClaim) -> Credentials:
    try:
        return find_credentials(context, claim.access_key_id, claim.session_token)
    except TokenExpiredError as error:
        raise SignatureError(
            SignatureFault.EXPIRED_TOKEN, "The security token included in the request is expired"
        ) from error
    except UnknownKeyError as error:
        fault = SignatureFault.UNKNOWN_KEY if claim.session_token is None else SignatureFault.BAD_TOKEN
        raise SignatureError(fault, f"The security token included in the request is invalid. {error}") from error


def _payload_hash(request: HttpRequest, claim: SignatureClaim, body: bytes) -> str:
    """The hash of the body that has come, which is what must have been signed. Raises SignatureError."""
    actual = sha256(body).hexdigest()
    declared = request.headers.get("x-amz-content-sha256")
    if declared is not None and declared != actual and not claim.is_presigned:
        raise SignatureError(SignatureFault.MISMATCH, "The body is not the one whose hash x-amz-content-sha256 gives.")
    return actual


async def _open_s3_body(
    target: Target,
    request: HttpRequest,
    incoming: Incoming,
    payload_hash: str,
    claim: SignatureClaim | None,
    credentials: Credentials | None,
) -> bytes | RequestBody:
    """A reader for a streamed payload, small ones already in memory; the whole body for every other operation."""
    secret = credentials.secret_access_key if credentials is not None else ""
    length = request.headers.get("content-length")
    if not target.operation.has_streaming_input:
        raw = await incoming.whole()
        document = open_body(request.headers, iter([raw]), payload_hash, claim, secret)
        read = document.read()
        check_document(target.operation, request.headers, document.trailers, read)
        return read
    if length is None and "transfer-encoding" not in request.headers:
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    size = int(length) if length is not None and length.isdecimal() and len(length) < 19 else None
    if size is not None and size > LARGEST_BODY_BYTES + LARGEST_FRAMING_BYTES:
        raise errors.too_large(size, LARGEST_BODY_BYTES)
    if size is not None and size <= SMALL_BYTES and not incoming.is_awaited:
        return open_body(request.headers, iter([await incoming.whole()]), payload_hash, claim, secret)
    pieces = incoming.pieces(asyncio.get_running_loop())
    body = open_body(request.headers, pieces, payload_hash, claim, secret)
    body.is_incoming = True
    return body


def _error_response(exchange: Exchange, error: AwsError) -> HttpResponse:
    target, dialect = exchange.target, exchange.dialect
    service = target.service if target is not None else None
    protocol = target.protocol if target is not None else dialect.protocol
    return serialize_error(error, service, protocol, dialect.json_version, exchange.request.id)


def _name(caller: Caller | None) -> str:
    if caller is None:
        return "-"
    return "anonymous" if caller.is_anonymous else caller.role or "root"


async def _ignore(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer what is no request: the server's life cycle. Websockets are closed."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
