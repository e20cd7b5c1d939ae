"""Credentials: of replicas of endpoints, as the credential endpoints of ECS give them, and of a user for the root."""

import asyncio
import json
from datetime import UTC, datetime

from lowcloud.api.aws.access.permissions import on
from lowcloud.api.aws.front_hooks import SignedRequests, front_hook
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError
from lowcloud.core.identity import sessions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.users import USER
from lowcloud.core.policies.requests import PrincipalKind
from lowcloud.core.serving import endpoint_credentials

USER_SESSION_SECONDS = 12 * 3600


@front_hook("lowcloud")
class LowcloudFrontHook(SignedRequests):
    """The hook of this service, which also gives AWS clients in replicas of endpoints their credentials."""

    def responds_to(self, request: HttpRequest) -> bool:
        """Return whether it is a request of a replica: no other has this path and a token instead of a signature."""
        token = request.headers.get("authorization", "AWS")
        return request.path == endpoint_credentials.PATH and request.method == "GET" and not token.startswith("AWS")

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond as the credential endpoints of ECS do."""
        loop = asyncio.get_running_loop()
        token = request.headers["authorization"]
        session = await loop.run_in_executor(self._workers, endpoint_credentials.issue, self._context, token)
        document = {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "Token": session.session_token,
            "Expiration": datetime.fromtimestamp(session.expires_at or 0.0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return HttpResponse(200, {"content-type": "application/json"}, json.dumps(document).encode())


@operation("lowcloud", "CreateUserSession", on("user/{UserName}", action="lowcloud:CreateUserSession"))
def create_user_session(context: Context, caller: Caller, request: Request) -> Answer:
    """For the root alone, who could as well create a key of the user."""
    if not caller.is_root:
        raise ForbiddenError("Only the root of the account may act as a user.")
    user = resources.find(context, USER, request["UserName"])
    as_user = Caller(user.account, kind=PrincipalKind.USER, name=user.name, path=user.path, unique_id=user.id)
    session = sessions.issue(context, as_user, USER_SESSION_SECONDS)
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
    }
