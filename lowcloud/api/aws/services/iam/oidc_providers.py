"""IAM operations on OpenID Connect providers."""

from collections.abc import Iterator

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.access.permissions import on, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.errors import no_such_entity
from lowcloud.api.aws.services.iam.translation import page, read_tags, tags_of, write_tags
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import entities
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.federation import oidc_providers
from lowcloud.core.identity.federation.oidc_providers import OIDC_PROVIDER, OidcProvider


def _creates_provider(call: Call) -> Iterator[Permission]:
    host = call.request["Url"].partition("://")[2]
    arn = f"arn:aws:iam::{call.context.account_id}:oidc-provider/{host}"
    actions = ["iam:CreateOpenIDConnectProvider"]
    if call.request.get("Tags"):
        actions.append("iam:TagOpenIDConnectProvider")
    for action in actions:
        yield Permission(action, arn, call.context.account_id, call.facts)


@operation(
    "iam", "CreateOpenIDConnectProvider", _creates_provider, refused=("ContextProvider", "IdentityCenterInstanceArn")
)
def create_open_id_connect_provider(context: Context, caller: Caller, request: Request) -> Answer:
    """Tokens are verified with the keys that the issuer publishes over TLS; thumbprints are stored and returned."""
    provider = oidc_providers.create(
        context,
        request["Url"],
        request.get("ClientIDList", []),
        request.get("ThumbprintList", []),
        read_tags(request),
    )
    return {"OpenIDConnectProviderArn": provider.arn, **tags_of(context, provider)}


@operation("iam", "GetOpenIDConnectProvider", on("{OpenIDConnectProviderArn}"))
def get_open_id_connect_provider(context: Context, caller: Caller, request: Request) -> Answer:
    provider = _find(context, request)
    return {
        "Url": provider.name,
        "ClientIDList": list(provider.client_ids),
        "ThumbprintList": list(provider.thumbprints),
        "CreateDate": provider.created_at,
        **tags_of(context, provider),
    }


@operation("iam", "ListOpenIDConnectProviders", on_any())
def list_open_id_connect_providers(context: Context, caller: Caller, request: Request) -> Answer:
    return {"OpenIDConnectProviderList": [{"Arn": provider.arn} for provider in oidc_providers.list_all(context)]}


@operation("iam", "AddClientIDToOpenIDConnectProvider", on("{OpenIDConnectProviderArn}"))
def add_client_id_to_open_id_connect_provider(context: Context, caller: Caller, request: Request) -> Answer:
    oidc_providers.add_client(context, _find(context, request).name, request["ClientID"])
    return {}


@operation("iam", "RemoveClientIDFromOpenIDConnectProvider", on("{OpenIDConnectProviderArn}"))
def remove_client_id_from_open_id_connect_provider(context: Context, caller: Caller, request: Request) -> Answer:
    oidc_providers.remove_client(context, _find(context, request).name, request["ClientID"])
    return {}


@operation("iam", "UpdateOpenIDConnectProviderThumbprint", on("{OpenIDConnectProviderArn}"))
def update_open_id_connect_provider_thumbprint(context: Context, caller: Caller, request: Request) -> Answer:
    oidc_providers.set_thumbprints(context, _find(context, request).name, request["ThumbprintList"])
    return {}


@operation("iam", "DeleteOpenIDConnectProvider", on("{OpenIDConnectProviderArn}"))
def delete_open_id_connect_provider(context: Context, caller: Caller, request: Request) -> Answer:
    oidc_providers.delete(context, _find(context, request).name)
    return {}


@operation("iam", "TagOpenIDConnectProvider", on("{OpenIDConnectProviderArn}"))
def tag_open_id_connect_provider(context: Context, caller: Caller, request: Request) -> Answer:
    entities.tag(context, OIDC_PROVIDER, _find(context, request).name, read_tags(request))
    return {}


@operation("iam", "UntagOpenIDConnectProvider", on("{OpenIDConnectProviderArn}"))
def untag_open_id_connect_provider(context: Context, caller: Caller, request: Request) -> Answer:
    entities.untag(context, OIDC_PROVIDER, _find(context, request).name, request["TagKeys"])
    return {}


@operation("iam", "ListOpenIDConnectProviderTags", on("{OpenIDConnectProviderArn}"))
def list_open_id_connect_provider_tags(context: Context, caller: Caller, request: Request) -> Answer:
    return page("Tags", write_tags(entities.tags_of(context, _find(context, request))), request)


def _find(context: Context, request: Request) -> OidcProvider:
    arn = request["OpenIDConnectProviderArn"]
    try:
        provider = resources.find(context, OIDC_PROVIDER, arn.partition(":oidc-provider/")[2])
        if provider.arn == arn:
            return provider
    except NotFoundError:
        pass
    raise no_such_entity(f"OpenIDConnect Provider not found for arn {arn}")
