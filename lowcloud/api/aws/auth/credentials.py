"""The credentials that a request names, with AWS's errors for unknown and expired ones."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from lowcloud.api.aws.auth.signature_errors import SignatureError, SignatureFault
from lowcloud.core.context import Context
from lowcloud.core.identity import credentials
from lowcloud.core.identity.credentials import TokenExpiredError, UnknownKeyError
from lowcloud.core.identity.sessions import Credentials


def find_credentials(context: Context, access_key_id: str, session_token: str | None) -> Credentials:
    """Return the credentials with this access key id. Raises SignatureError."""
    with _signature_errors(session_token):
        return credentials.find(context, access_key_id, session_token)


async def find_credentials_in_worker(
    context: Context, workers: Executor, access_key_id: str, session_token: str | None
) -> Credentials:
    """Return the credentials as find_credentials does, in a worker if that needs the database, which may be slow."""
    with _signature_errors(session_token):
        known = credentials.find_known(context, access_key_id, session_token)
    if known is not None:
        return known
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(workers, find_credentials, context, access_key_id, session_token)


@contextmanager
def _signature_errors(session_token: str | None) -> Iterator[None]:
    """Turn the errors of credentials into AWS's."""
    try:
        yield
    except TokenExpiredError as error:
        raise SignatureError(
            SignatureFault.EXPIRED_TOKEN, "The security token included in the request is expired"
        ) from error
    except UnknownKeyError as error:
        fault = SignatureFault.UNKNOWN_KEY if session_token is None else SignatureFault.BAD_TOKEN
        raise SignatureError(fault, f"The security token included in the request is invalid. {error}") from error
