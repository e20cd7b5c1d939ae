"""HTTP to serving replicas over connections that are kept open."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import (
    BaseConnector,
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    UnixConnector,
)

CONNECT_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class ReplicaAnswer:
    """What a replica answered."""

    status: int
    content_type: str
    body: bytes


class Connections:
    """Keeps one pool of connections for each address; used and closed on one event loop."""

    def __init__(self) -> None:
        self._sessions: dict[str, ClientSession] = {}

    async def post(
        self, address: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float
    ) -> ReplicaAnswer:
        """POST /invocations to the replica at "unix:/path" or "http://host:port".

        Raises TimeoutError, and OSError where the connection fails.
        """
        base = "http://replica" if address.startswith("unix:") else address
        timeout = ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_TIMEOUT_SECONDS)
        session = self._session(address)
        try:
            async with session.post(f"{base}/invocations", data=body, headers=headers, timeout=timeout) as answer:
                content_type = answer.headers.get("Content-Type", "application/octet-stream")
                return ReplicaAnswer(answer.status, content_type, await answer.read())
        except ClientError as error:
            raise ConnectionError(str(error)) from error

    async def forget(self, address: str) -> None:
        """Close what is open to an address that is gone."""
        if session := self._sessions.pop(address, None):
            await session.close()

    async def close(self) -> None:
        """Close everything."""
        for address in list(self._sessions):
            await self.forget(address)

    def _session(self, address: str) -> ClientSession:
        if address not in self._sessions:
            self._sessions[address] = ClientSession(
                connector=_connector(address), cookie_jar=DummyCookieJar(), auto_decompress=False
            )
        return self._sessions[address]


def _connector(address: str) -> BaseConnector:
    if address.startswith("unix:"):
        return UnixConnector(address.removeprefix("unix:"), limit=0, keepalive_timeout=60)
    return TCPConnector(limit=0, keepalive_timeout=60)
