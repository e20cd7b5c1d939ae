"""Credentials of the role of a model, for its inference script, renewed for as long as the endpoint exists.

AWS clients in a replica fetch them as in a container of ECS or SageMaker: from a URL, with a token. The token is
sealed, so that any server of this home can check it without a table, and worthless once the endpoint is deleted.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError, NotFoundError
from lowcloud.core.identity import sessions
from lowcloud.core.identity.sessions import Credentials
from lowcloud.core.serving.endpoint_records import Endpoint, from_row
from lowcloud.core.serving.models import Model
from lowcloud.home import client_environment
from lowcloud.store.blobs.encryption import TamperedError
from lowcloud.store.db.tables.serving import endpoints

PATH = "/_lowcloud/credentials"  # of the URL; no bucket can have a name with an underscore
SESSION_SECONDS = 3600
SESSION_NAME = "SageMaker"
_PURPOSE = "endpoint credentials"


@dataclass(frozen=True)
class _Holder:
    """For whom a token was made."""

    endpoint: str
    created_at: float
    model: str


def variables(context: Context, endpoint: Endpoint, model: Model) -> dict[str, str]:
    """Return the variables with which AWS clients in a replica act as its model's role; none if it has no role."""
    if not model.role:
        return {}
    holder = _Holder(endpoint.name, endpoint.created_at, model.name)
    token = context.keys.seal(json.dumps(asdict(holder)).encode(), _PURPOSE).hex()
    settings = context.settings
    return {
        **client_environment.variables(settings.home, context.endpoint, settings.region, None, model.variables),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": context.endpoint + PATH,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
    }


def issue(context: Context, token: str) -> Credentials:
    """Return new credentials for the holder of a token. Raises ForbiddenError."""
    holder = _open(context, token)
    with context.database.read() as connection:
        row = connection.execute(select(endpoints).where(endpoints.c.name == holder.endpoint)).one_or_none()
    endpoint = None if row is None else from_row(row)
    if endpoint is None or endpoint.delete_requested or endpoint.created_at != holder.created_at:
        raise ForbiddenError(f"The endpoint {holder.endpoint!r} of this token has been deleted.")
    role = endpoint.models[holder.model].role.rpartition("/")[2]
    try:
        return sessions.issue_for_role(context, role, SESSION_NAME, SESSION_SECONDS)
    except NotFoundError as error:
        raise ForbiddenError(f"The role {role!r} of the model has been deleted.") from error


def _open(context: Context, token: str) -> _Holder:
    try:
        found: dict[str, Any] = json.loads(context.keys.unseal(bytes.fromhex(token), _PURPOSE))
    except (TamperedError, ValueError) as error:
        raise ForbiddenError("The token is not one of this cloud.") from error
    return _Holder(**found)
