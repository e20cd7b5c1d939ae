"""S3's front hook: preflights, unsigned and presigned requests, browser forms, streamed payloads, CORS headers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

from lowcloud.api.aws.auth import signature_v2, signature_v4
from lowcloud.api.aws.auth.credentials import find_credentials_in_worker
from lowcloud.api.aws.auth.presigned_headers import with_presigned_headers
from lowcloud.api.aws.auth.signature_errors import SignatureError, SignatureFault
from lowcloud.api.aws.auth.signature_v4 import SignatureClaim
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.exchange import Exchange
from lowcloud.api.aws.front_hooks import front_hook, unsigned
from lowcloud.api.aws.protocol.routing import Target, find_target, target_of
from lowcloud.api.aws.request_bodies import RequestBody
from lowcloud.api.aws.services.s3.forms import forms
from lowcloud.api.aws.services.s3.front import cors
from lowcloud.api.aws.services.s3.front.payloads import declared_hash, read_payload
from lowcloud.api.aws.services.s3.permissions import UNSIGNED_OPERATIONS
from lowcloud.api.aws.services.s3_hosts import ServerNames, bucket_of, locate
from lowcloud.api.http.incoming import IncomingBody
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.api.http.urls import MalformedUrlError
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.identity.callers import ANONYMOUS
from lowcloud.core.identity.sessions import Credentials
from lowcloud.core.storage.access import bucket_access
from lowcloud.core.storage.access.bucket_access import NO_ACCESS
from lowcloud.core.storage.failures import storage_errors

FORM_THREADS = 64  # read forms up to their file, before their senders are verified
Result = TypeVar("Result")


@front_hook("s3")
class S3FrontHook:
    """The work of S3 around the common path."""

    def __init__(self, context: Context, workers: Executor):
        self._context = context
        self._workers = workers
        self._form_readers = ThreadPoolExecutor(FORM_THREADS, "form")
        self._names = ServerNames.of(context.settings.host)

    def responds_to(self, request: HttpRequest) -> bool:
        """Return whether it is a CORS preflight."""
        return request.method == "OPTIONS" and "authorization" not in request.headers

    async def respond(self, request: HttpRequest) -> HttpResponse:
        return await self._in_worker(self._preflight, request)

    async def verify(
        self, exchange: Exchange, claim: SignatureClaim | None, incoming: IncomingBody
    ) -> bytes | RequestBody:
        request = exchange.request
        if claim is not None:
            return await self._verify_v4(exchange, claim, incoming)
        if signature_v2.is_signed(request):
            return await self._verify_v2(exchange, incoming)
        bucket, key = locate(request, self._names)
        if forms.is_form(request) and bucket and not key:
            return await self._verify_form(exchange, bucket, incoming)
        found = await self._in_worker(bucket_access.of_bucket, self._context, bucket) if bucket else NO_ACCESS
        if not found.may_admit_strangers:
            raise unsigned()
        return await self._verify_anonymous(exchange, incoming)

    async def finish(self, exchange: Exchange, response: HttpResponse) -> None:
        """Add S3's request id and the CORS headers."""
        request = exchange.received
        response.headers["x-amz-id-2"] = request.id
        if "origin" in request.headers and request.method != "OPTIONS":
            response.headers.update(await self._in_worker(self._cors_headers, request))

    def close(self) -> None:
        self._form_readers.shutdown(wait=False, cancel_futures=True)

    async def _verify_v4(
        self, exchange: Exchange, claim: SignatureClaim, incoming: IncomingBody
    ) -> bytes | RequestBody:
        request = exchange.request
        credentials = await self._find_credentials(claim.access_key_id, claim.session_token)
        secret, payload_hash = credentials.secret_access_key, declared_hash(request.headers, claim)
        signature_v4.verify(request, claim, secret, payload_hash, self._context.now())
        if claim.is_presigned:
            exchange.request = request = with_presigned_headers(request)
        exchange.caller = credentials.caller
        exchange.target = target = self._find_target(exchange, request)
        return await read_payload(target, request, incoming, payload_hash, claim, secret)

    async def _verify_v2(self, exchange: Exchange, incoming: IncomingBody) -> bytes | RequestBody:
        """Verify a URL presigned with Signature Version 2."""
        claim = signature_v2.read_claim(exchange.request)
        credentials = await self._find_credentials(claim.access_key_id, claim.session_token)
        bucket = bucket_of(exchange.request.host, self._names)
        claim.verify(bucket, credentials.secret_access_key, self._context.now())
        exchange.caller, exchange.request = credentials.caller, claim.request
        exchange.target = target = self._find_target(exchange, claim.request)
        signed = self._find_target(exchange, signature_v2.without_unsigned(claim.request))
        if signed.operation.name != target.operation.name:
            raise SignatureError(SignatureFault.MISMATCH, f"The signature is not one for {target.operation.name}.")
        return await read_payload(target, claim.request, incoming, declared_hash(claim.request.headers, None))

    async def _verify_form(self, exchange: Exchange, bucket: str, incoming: IncomingBody) -> RequestBody:
        """Verify an upload from a browser's form, and turn it into a PutObject."""
        loop = asyncio.get_running_loop()
        pieces = incoming.blocking_pieces(loop)
        arguments = (self._context, exchange.request, bucket, pieces)
        form = await loop.run_in_executor(self._form_readers, forms.read_form, *arguments)
        exchange.caller, exchange.request = form.caller, form.request
        exchange.target = target_of("s3", "PutObject", form.request.path, form.labels)
        exchange.adapt_response = form.to_response
        return form.file

    async def _verify_anonymous(self, exchange: Exchange, incoming: IncomingBody) -> bytes | RequestBody:
        """Accept an unsigned request for an operation that a bucket can allow to everyone."""
        request = exchange.request
        target = self._find_target(exchange, request)
        if target.operation.name not in UNSIGNED_OPERATIONS:
            raise unsigned()
        exchange.caller, exchange.target = ANONYMOUS, target
        return await read_payload(target, request, incoming, declared_hash(request.headers, None))

    def _find_target(self, exchange: Exchange, request: HttpRequest) -> Target:
        """Return the operation; bucket.localhost/key is routed as /bucket/key."""
        bucket = bucket_of(request.host, self._names)
        return find_target(request, exchange.dialect, path=f"/{bucket}{request.path}" if bucket else request.path)

    def _preflight(self, request: HttpRequest) -> HttpResponse:
        return cors.preflight(self._context, request, *locate(request, self._names))

    def _cors_headers(self, request: HttpRequest) -> dict[str, str]:
        try:
            with storage_errors():
                bucket, _ = locate(request, self._names)
                return cors.response_headers(self._context, request, bucket) if bucket else {}
        except (AwsError, CloudError, MalformedUrlError):
            return {}  # the response is an error already, and has the reason

    async def _find_credentials(self, access_key_id: str, session_token: str | None) -> Credentials:
        return await find_credentials_in_worker(self._context, self._workers, access_key_id, session_token)

    async def _in_worker(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *arguments)
