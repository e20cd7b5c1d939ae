"""The credentials that a request names, with AWS's errors for unknown and expired ones."""

import asyncio
from concurrent.futures import Executor

from lowcloud.api.aws.auth.signature_errors import SignatureError, SignatureFault
from lowcloud.core.context import Context
from lowcloud.core.identity import credentials
from lowcloud.core.identity.credentials import TokenExpiredError, UnknownKeyError
from lowcloud.core.identity.sessions import Credentials


def find_credentials(context: Context, access_key_id: str, session_token: str | None) -> Credentials:
    """Return the credentials with this access key id. Raises SignatureError."""
    try:
        return credentials.find(context, access_key_id, session_token)
    except TokenExpiredError as error:
        raise SignatureError(
            SignatureFault.EXPIRED_TOKEN, "The security token included in the request is expired"
        ) from error
    except UnknownKeyError as error:
        fault = SignatureFault.UNKNOWN_KEY if session_token is None else SignatureFault.BAD_TOKEN
        raise SignatureError(fault, f"The security token included in the request is invalid. {error}") from error


async def find_credentials_in_worker(
    context: Context, workers: Executor, access_key_id: str, session_token: str | None
) -> Credentials:
    """Return the credentials as find_credentials does; those of a session need the database, which may be slow."""
    if session_token is None:  # at most the root key, which is in memory
        return find_credentials(context, access_key_id, None)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(workers, find_credentials, context, access_key_id, session_token)
