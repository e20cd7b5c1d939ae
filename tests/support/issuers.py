"""An issuer of OpenID Connect tokens on this machine."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


def new_key() -> RSAPrivateKey:
    """Return a new private key."""
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Issuer:
    """The issuer at a URL, and the key that it signs with."""

    url: str
    key: RSAPrivateKey = field(default_factory=new_key)
    fetches: int = 0  # of its keys

    @property
    def name(self) -> str:
        """The URL as ARNs have it."""
        return self.url.partition("://")[2]

    def token(self, key: RSAPrivateKey | None = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Return a token of an hour for ada and the audience "app", unless the claims say otherwise."""
        now = int(time.time())
        content = {"iss": self.url, "sub": "ada", "aud": "app", "iat": now, "exp": now + 3600, **claims}
        present = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(present, key or self.key, algorithm, headers={"kid": "first"})

    def answer(self, path: str) -> dict[str, Any] | None:
        """Return the document at a path."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path != "/keys":
            return None
        self.fetches += 1
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "first", "use": "sig", "alg": "RS256"}]}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = issuer.answer(self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield issuer
    server.shutdown()
    server.server_close()
    thread.join()
