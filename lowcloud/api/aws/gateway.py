"""One request, from bytes to bytes: identify, verify the signature, parse, validate, authorise, perform, serialise.

`Gateway` is an ASGI application. `_respond` and `_perform` are the path of every request, to be read from top to
bottom; what one service does in addition is its front hook.
"""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lowcloud.api.aws import errors, services
from lowcloud.api.aws.audit.recording import Recorder
from lowcloud.api.aws.auth import signature_errors
from lowcloud.api.aws.auth.signature_errors import SignatureError
from lowcloud.api.aws.auth.signature_v4 import read_claim
from lowcloud.api.aws.authorisation import authorise
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.exchange import Exchange
from lowcloud.api.aws.front_hooks import FRONT_HOOKS, FrontHook, SignedRequests
from lowcloud.api.aws.operations import Operation
from lowcloud.api.aws.protocol.parse import parse
from lowcloud.api.aws.protocol.routing import REST_XML, Target, find_dialect
from lowcloud.api.aws.protocol.serialize import serialize, serialize_error
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.protocol.validate import refuse_unsupported, validate
from lowcloud.api.aws.request_bodies import RequestBody
from lowcloud.api.http.incoming import IncomingBody, Receive, RequestBodyError
from lowcloud.api.http.messages import HttpResponse, request_head
from lowcloud.api.http.sending import Send, send_response
from lowcloud.api.http.urls import MalformedUrlError
from lowcloud.core.audit import writer as audit_writer
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.identity import access_keys
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.failures import storage_errors

WORKERS = 64
UPLOADS = 512  # operations that wait for bodies from slow clients, which must not hold up the others
log = logging.getLogger("lowcloud.gateway")
access_log = logging.getLogger("lowcloud.access")


class Gateway:
    """All services on one port, as an ASGI application."""

    def __init__(self, context: Context, operations: Mapping[tuple[str, str], Operation] = services.OPERATIONS):
        self._context = context
        self._operations = operations
        self._workers = ThreadPoolExecutor(WORKERS, "operation")
        self._uploads = ThreadPoolExecutor(UPLOADS, "upload")
        self._hooks = {service: create(context, self._workers) for service, create in FRONT_HOOKS.items()}
        self._default_hook: FrontHook = SignedRequests(context, self._workers)
        self._audit = Recorder(context)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await _answer_other_scope(scope, receive, send)
        request = request_head(scope)
        exchange = Exchange(request, request)
        incoming = IncomingBody(receive, request.headers)
        response = await self._answer(exchange, incoming)
        await self._audit.record(exchange)
        response.headers["x-amzn-requestid"] = response.headers["x-amz-request-id"] = request.id
        await self._hook(exchange).finish(exchange, response)
        try:
            await send_response(response, request.method, send, self._workers, incoming)
        except Exception:
            log.exception("the response to request %s was cut short", request.id)
            raise  # closes the connection: the client must see that bytes are missing
        finally:
            if access_log.isEnabledFor(logging.DEBUG):
                _log_access(exchange, response.status)
        return None

    def warm(self) -> None:
        """Load the models of the services that have operations, in a thread."""
        threading.Thread(target=self.load_models, name="models", daemon=True).start()

    @staticmethod
    def load_models() -> None:
        """Load the models of the services that have operations."""
        for name in sorted({service for service, _ in services.OPERATIONS}):
            load_service(name)
        gc.freeze()  # the models are never freed: a full collection would spend 45 ms on them

    def close(self) -> None:
        """Stop accepting work; running operations end by themselves."""
        for pool in (self._workers, self._uploads):
            pool.shutdown(wait=False, cancel_futures=True)
        for hook in self._hooks.values():
            hook.close()
        audit_writer.of(self._context).close()

    async def _answer(self, exchange: Exchange, incoming: IncomingBody) -> HttpResponse:
        """Return the response, which is an error if anything fails."""
        try:
            with storage_errors():
                return await self._respond(exchange, incoming)
        except Exception as error:  # noqa: BLE001 (the edge: every request gets a response)
            exchange.failure, exchange.error = error, _to_aws_error(exchange, error)
            return _error_response(exchange, exchange.error)

    async def _respond(self, exchange: Exchange, incoming: IncomingBody) -> HttpResponse:
        """Identify the operation and verify the request, then perform it on the loop or in a worker thread."""
        request = exchange.request
        for hook in self._hooks.values():
            if hook.responds_to(request):
                return await hook.respond(request)

        exchange.dialect = find_dialect(request, None)  # of errors, until the claim names the service
        claim = read_claim(request)
        if claim is not None:
            exchange.dialect, exchange.claimed_key_id = find_dialect(request, claim.service), claim.access_key_id
        body = await self._hook(exchange).verify(exchange, claim, incoming)
        if exchange.caller is not None and claim is not None:
            access_keys.note_use(self._context, exchange.caller, exchange.service, claim.region, self._workers.submit)

        target = exchange.target
        assert target is not None
        operation = self._operations.get((target.service.name, target.operation.name))
        if operation is None:
            raise errors.not_implemented(target.service.name, target.operation.name)
        if operation.is_async:
            response = await self._perform_async(operation, target, exchange, body)
        else:
            pool = self._uploads if isinstance(body, RequestBody) and body.is_incoming else self._workers
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(pool, self._perform, operation, target, exchange, body)
        return response if exchange.adapt_response is None else exchange.adapt_response(response)

    def _perform(
        self, operation: Operation, target: Target, exchange: Exchange, body: bytes | RequestBody
    ) -> HttpResponse:
        """Perform a plain operation; runs in a worker thread."""
        parsed = self._prepare(operation, target, exchange, body)
        with storage_errors():
            output = operation.function(self._context, exchange.caller, parsed)
        return serialize(target.service, target.operation, target.protocol, output, exchange.request.id)

    async def _perform_async(
        self, operation: Operation, target: Target, exchange: Exchange, body: bytes | RequestBody
    ) -> HttpResponse:
        """Perform an asynchronous operation."""
        loop = asyncio.get_running_loop()
        parsed = await loop.run_in_executor(self._workers, self._prepare, operation, target, exchange, body)
        with storage_errors():
            output = await operation.function(self._context, exchange.caller, parsed)
        return serialize(target.service, target.operation, target.protocol, output, exchange.request.id)

    def _prepare(
        self, operation: Operation, target: Target, exchange: Exchange, body: bytes | RequestBody
    ) -> dict[str, Any]:
        """Return the operation's input: parsed, validated and authorised."""
        exchange.parsed = parsed = parse(target, exchange.request, body)
        has_document = isinstance(body, bytes) and bool(body) and target.protocol == REST_XML
        code = errors.validation_code(target.service.name, target.protocol, has_document)
        validate(target.operation, parsed, code)
        refuse_unsupported(parsed, operation.refused, *errors.refusal_code(target.service.name, code))
        assert exchange.caller is not None
        exchange.permissions, exchange.refused_parts = authorise(
            self._context, exchange.caller, operation, exchange.received, parsed
        )
        return parsed

    def _hook(self, exchange: Exchange) -> FrontHook:
        return self._hooks.get(exchange.service, self._default_hook)


def _to_aws_error(exchange: Exchange, error: Exception) -> AwsError:
    """Return the error response for what ended a request."""
    if isinstance(error, AwsError):
        return error
    if isinstance(error, SignatureError):
        return signature_errors.to_aws_error(error, exchange.dialect.protocol)
    if isinstance(error, RequestBodyError):
        return errors.from_body_error(error)
    if isinstance(error, MalformedUrlError):
        return AwsError("InvalidURI", f"Couldn't parse the specified URI: {error}")
    if isinstance(error, CloudError):
        return errors.from_core_error(error, exchange.service)
    log.error("request %s failed", exchange.request.id, exc_info=error)
    return errors.internal_error(exchange.service, exchange.request.id)


def _error_response(exchange: Exchange, error: AwsError) -> HttpResponse:
    target, dialect = exchange.target, exchange.dialect
    service = target.service if target is not None else None
    protocol = target.protocol if target is not None else dialect.protocol
    return serialize_error(error, service, protocol, dialect.json_version, exchange.request.id)


def _log_access(exchange: Exchange, status: int) -> None:
    access_log.debug(
        "%s %s %s %d %.1fms %s",
        exchange.request.id,
        exchange.service,
        exchange.target.operation.name if exchange.target else "-",
        status,
        (time.perf_counter() - exchange.started) * 1000,
        _name(exchange.caller),
    )


def _name(caller: Caller | None) -> str:
    if caller is None:
        return "-"
    return "anonymous" if caller.is_anonymous else caller.name or "root"


async def _answer_other_scope(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Acknowledge the server's lifespan events; close websockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
