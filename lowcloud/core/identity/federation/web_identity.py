"""Web identities: tokens of OpenID Connect issuers, verified with the keys that these publish.

Source: OpenID Connect Core 1.0, section 3.1.3.7; OpenID Connect Discovery 1.0, section 4.
"""

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt import PyJWK, PyJWKSet

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, NotFoundError
from lowcloud.core.identity.federation.oidc_providers import LOOPBACK, OIDC_PROVIDER, OidcProvider
from lowcloud.core.policies.requests import Values

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
TIMEOUT_SECONDS = 5.0
DOCUMENT_BYTES = 1 << 20
KEYS_SECONDS = 300.0  # how long the keys of an issuer are used without asking again
RETRY_SECONDS = 10.0  # between two requests for a key that the issuer did not have
LEEWAY_SECONDS = 10.0  # between the clocks of the issuer and of this machine
TAGS_CLAIM = "https://aws.amazon.com/tags"
SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"


class InvalidTokenError(CloudError):
    """The token is none, or not one that the account accepts."""


class ExpiredTokenError(CloudError):
    """The token has expired."""


class IssuerUnreachableError(CloudError):
    """The issuer does not answer with its keys."""


@dataclass(frozen=True)
class WebIdentity:
    """Someone whose identity an issuer has proved."""

    provider: OidcProvider
    subject: str
    audience: str
    claims: Mapping[str, Any]

    @property
    def facts(self) -> dict[str, Values]:
        """The condition keys of the token: ISSUER:aud, ISSUER:sub and the like."""
        name = self.provider.name.lower()
        facts: dict[str, Values] = {
            f"{name}:aud": (str(self.claims.get("azp") or self.audience),),
            f"{name}:sub": (self.subject,),
        }
        if "azp" in self.claims:
            facts[f"{name}:oaud"] = (self.audience,)
        if amr := _texts(self.claims.get("amr")):
            facts[f"{name}:amr"] = amr
        if isinstance(email := self.claims.get("email"), str):
            facts[f"{name}:email"] = (email,)
        return facts

    @property
    def tags(self) -> dict[str, str]:
        """The session tags that the issuer gives. Raises InvalidTokenError."""
        given = self._tags_claim.get("principal_tags", {})
        if not isinstance(given, dict):
            raise InvalidTokenError("The principal_tags of the token must be an object.")
        tags = {}
        for key, value in given.items():
            values = _texts(value)
            if len(values) != 1:
                raise InvalidTokenError(f"The tag {key!r} of the token must have one value.")
            tags[key] = values[0]
        return tags

    @property
    def transitive_tags(self) -> tuple[str, ...]:
        """The keys of the tags that roles assumed from the session have, too."""
        return tuple(key for key in _texts(self._tags_claim.get("transitive_tag_keys")) if key in self.tags)

    @property
    def source_identity(self) -> str:
        """The source identity that the issuer gives, or ""."""
        found = self.claims.get(SOURCE_IDENTITY_CLAIM, "")
        return found if isinstance(found, str) else ""

    @property
    def _tags_claim(self) -> dict[str, Any]:
        found = self.claims.get(TAGS_CLAIM, {})
        return found if isinstance(found, dict) else {}


@dataclass
class _Keys:
    """The published keys of one issuer, and when they were read."""

    keys: Mapping[str, PyJWK]
    read_at: float
    error: str = ""  # why they could not be read

    @property
    def age(self) -> float:
        """The seconds since they were read."""
        return time.monotonic() - self.read_at


@dataclass
class _Issuers:
    """The keys of the issuers that this process has asked, by URL."""

    known: dict[str, _Keys] = field(default_factory=dict)

    def find(self, url: str, key_id: str | None) -> PyJWK:
        """Return a published key. Raises InvalidTokenError and IssuerUnreachableError."""
        found = self.known.get(url)
        if found is None or found.age > (RETRY_SECONDS if found.error else KEYS_SECONDS):
            found = self._read(url)
        key = _choose(found.keys, key_id)
        if key is None and found.age > RETRY_SECONDS:  # the issuer may have a new one
            found = self._read(url)
            key = _choose(found.keys, key_id)
        if found.error:
            raise IssuerUnreachableError(found.error)
        if key is None:
            raise InvalidTokenError("Couldn't retrieve verification key from your identity provider.")
        return key

    def _read(self, url: str) -> _Keys:
        """Ask an issuer. That it does not answer is remembered, so that requests do not wait for it one by one."""
        now = time.monotonic()
        try:
            self.known[url] = _Keys(_fetch_keys(url), now)
        except IssuerUnreachableError as error:
            self.known[url] = _Keys({}, now, str(error))
        return self.known[url]


def verify(context: Context, token: str) -> WebIdentity:
    """Return whose token this is. Raises InvalidTokenError, ExpiredTokenError and IssuerUnreachableError."""
    try:
        header = jwt.get_unverified_header(token)
        unverified = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        ) from error
    issuer = unverified.get("iss")
    if not isinstance(issuer, str):
        raise InvalidTokenError("Issuer must be a valid URL")
    provider = _find_provider(context, issuer)
    if header.get("alg") not in ALGORITHMS:
        raise InvalidTokenError(f"Tokens must be signed with one of {', '.join(ALGORITHMS)}.")
    key = context.memory.get(_Issuers).find(provider.url, header.get("kid"))
    claims = _verified(token, key, str(header["alg"]), provider, issuer)
    return WebIdentity(provider, claims["sub"], _audience(claims, provider), claims)


def _find_provider(context: Context, issuer: str) -> OidcProvider:
    name = issuer.partition("://")[2].rstrip("/")
    try:
        provider = resources.find(context, OIDC_PROVIDER, name)
    except NotFoundError:
        provider = None
    if provider is None or provider.url.rstrip("/") != issuer.rstrip("/"):
        raise InvalidTokenError(f"No OpenIDConnect provider found in your account for {issuer}")
    return provider


def _verified(token: str, key: PyJWK, algorithm: str, provider: OidcProvider, issuer: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=list(provider.client_ids),
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "aud"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise ExpiredTokenError("Token expired: its expiration date/time has passed.") from error
    except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError) as error:
        raise InvalidTokenError(f"Incorrect token audience or a missing claim: {error}.") from error
    except (jwt.InvalidTokenError, TypeError, ValueError) as error:
        raise InvalidTokenError(f"The token cannot be verified: {error}.") from error
    return claims


def _audience(claims: Mapping[str, Any], provider: OidcProvider) -> str:
    return next(one for one in _texts(claims["aud"]) if one in provider.client_ids)


def _choose(keys: Mapping[str, PyJWK], key_id: str | None) -> PyJWK | None:
    """Return the key that a token names, or the only one if it names none."""
    if key_id is not None:
        return keys.get(key_id)
    return next(iter(keys.values())) if len(keys) == 1 else None


def _fetch_keys(url: str) -> dict[str, PyJWK]:
    discovery = _fetch(f"{url.rstrip('/')}/.well-known/openid-configuration")
    location = discovery.get("jwks_uri")
    if not isinstance(location, str):
        raise IssuerUnreachableError(f"The discovery document of {url} has no jwks_uri.")
    found = _fetch(location)
    try:
        keys = PyJWKSet.from_dict(found).keys
    except (jwt.PyJWTError, AttributeError, TypeError, ValueError) as error:
        raise IssuerUnreachableError(f"The keys of {url} cannot be read: {error}.") from error
    return {key.key_id or f"#{number}": key for number, key in enumerate(keys)}


def _fetch(url: str) -> dict[str, Any]:
    """Return a JSON object: over TLS, unless it is on this machine; redirections are not followed."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_SECONDS, context=context)
    elif parts.scheme == "http" and host in LOOPBACK:
        connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
    else:
        raise IssuerUnreachableError(f"{url} must begin with https://.")
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        response = connection.getresponse()
        body = response.read(DOCUMENT_BYTES + 1)
        found = json.loads(body) if response.status == 200 and len(body) <= DOCUMENT_BYTES else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise IssuerUnreachableError(f"{url} cannot be read: {error}.") from error
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise IssuerUnreachableError(f"{url} answers {response.status}, and no JSON object.")
    return found


def _texts(value: object) -> tuple[str, ...]:
    """Return a claim that is a text or a list of texts."""
    values = value if isinstance(value, list) else [value]
    return tuple(one for one in values if isinstance(one, str))
