"""OpenID Connect providers: issuers of tokens that an account trusts, such as a company's login."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, insert, select, update

from lowcloud.core import resources, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InvalidError, LimitExceededError
from lowcloud.core.identity import entities
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.identity import oidc_providers

PROVIDERS_LIMIT = 100
CLIENTS_LIMIT = 100
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class OidcProvider:
    """One provider; `created_at` is in seconds since the epoch."""

    account: str
    name: str  # the URL without its scheme, as ARNs and condition keys have it
    url: str
    created_at: float
    client_ids: tuple[str, ...] = ()  # audiences of tokens
    thumbprints: tuple[str, ...] = ()  # kept for their readers: certificates are verified against the known authorities

    @property
    def id(self) -> str:
        """The subject of its tags."""
        return f"oidc-provider/{self.account}/{self.name}"

    @property
    def path(self) -> str:
        """Providers have no paths."""
        return "/"

    @property
    def arn(self) -> str:
        """Its ARN, by which trust policies name it."""
        return f"arn:aws:iam::{self.account}:oidc-provider/{self.name}"


def _load(row: Row[Any]) -> OidcProvider:
    lists = {name: tuple(values) for name, values in json.loads(row.document).items()}
    return OidcProvider(row.account, row.name, row.url, row.created_at, **lists)


OIDC_PROVIDER = ResourceKind("OpenIDConnect provider", "oidc-provider", oidc_providers, _load, has_tags=False)


def create(
    context: Context,
    url: str,
    client_ids: Sequence[str] = (),
    thumbprints: Sequence[str] = (),
    own_tags: Mapping[str, str] | None = None,
) -> OidcProvider:
    """Trust an issuer. Raises AlreadyExistsError, InvalidError for a URL that is none, and LimitExceededError."""
    _check_url(url)
    name = url.partition("://")[2].rstrip("/")
    unique = tuple(dict.fromkeys(client_ids))
    provider = OidcProvider(context.account_id, name, url, float(int(context.now())), unique, tuple(thumbprints))
    _check_clients(provider)
    own = OIDC_PROVIDER.in_account(context.account_id)
    with entities.changing(context) as connection:
        if resources.exists(connection, own.is_named(name)):
            raise AlreadyExistsError(OIDC_PROVIDER.noun, url)
        if entities.count(connection, own) >= PROVIDERS_LIMIT:
            raise LimitExceededError(f"Cannot exceed quota for OpenIdConnectProviders: {PROVIDERS_LIMIT}")
        row = {"account": provider.account, "name": name, "url": url, "created_at": provider.created_at}
        connection.execute(insert(oidc_providers).values(document=_document(provider), **row))
        tags.put(connection, provider.id, own_tags or {})
    return provider


def list_all(context: Context) -> Sequence[OidcProvider]:
    """Return the providers of the account, by name."""
    own = OIDC_PROVIDER.in_account(context.account_id)
    with context.database.read() as connection:
        found = connection.execute(select(own.table).where(*own.conditions).order_by(own.table.c.name))
        return [own.load(row) for row in found]


def add_client(context: Context, name: str, client_id: str) -> None:
    """Accept tokens for a further audience. Raises NotFoundError and LimitExceededError."""
    _change(
        context, name, lambda found: replace(found, client_ids=tuple(dict.fromkeys([*found.client_ids, client_id])))
    )


def remove_client(context: Context, name: str, client_id: str) -> None:
    """Accept no tokens for an audience any more. Raises NotFoundError."""
    _change(context, name, lambda found: replace(found, client_ids=_without(found.client_ids, client_id)))


def set_thumbprints(context: Context, name: str, thumbprints: Iterable[str]) -> None:
    """Replace the thumbprints. Raises NotFoundError."""
    _change(context, name, lambda found: replace(found, thumbprints=tuple(thumbprints)))


def delete(context: Context, name: str) -> None:
    """Trust an issuer no longer; sessions that it has vouched for last until they expire. Raises NotFoundError."""
    with entities.changing(context) as connection:
        provider = entities.require(connection, context, OIDC_PROVIDER, name)
        own = OIDC_PROVIDER.in_account(context.account_id)
        connection.execute(oidc_providers.delete().where(own.is_named(provider.name)))
        tags.delete_all(connection, provider.id)


def _change(context: Context, name: str, change: Callable[[OidcProvider], OidcProvider]) -> None:
    with entities.changing(context) as connection:
        changed = change(entities.require(connection, context, OIDC_PROVIDER, name))
        _check_clients(changed)
        _save(connection, context, changed)


def _save(connection: Connection, context: Context, provider: OidcProvider) -> None:
    own = OIDC_PROVIDER.in_account(context.account_id)
    of_provider = update(oidc_providers).where(own.is_named(provider.name))
    connection.execute(of_provider.values(document=_document(provider)))


def _document(provider: OidcProvider) -> str:
    lists = asdict(provider)
    return json.dumps({name: lists[name] for name in ("client_ids", "thumbprints")})


def _with(values: tuple[str, ...], value: str) -> tuple[str, ...]:
    return values if value in values else (*values, value)


def _without(values: tuple[str, ...], value: str) -> tuple[str, ...]:
    return tuple(one for one in values if one != value)


def _check_clients(provider: OidcProvider) -> None:
    if len(provider.client_ids) > CLIENTS_LIMIT:
        raise LimitExceededError(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENTS_LIMIT}")


def _check_url(url: str) -> None:
    """Raise InvalidError unless it is an https URL, or an http URL of this machine."""
    parts = urlsplit(url)
    is_allowed = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not is_allowed or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise InvalidError(
            f"Invalid Open ID Connect Provider URL: {url}. It must begin with https:// and have no query; only issuers "
            "on this machine may use http://."
        )
