"""Credentials of AWS clients in replicas of endpoints, as the credential endpoints of ECS give them."""

import asyncio
import json
from datetime import UTC, datetime

from lowcloud.api.aws.front_hooks import SignedRequests, front_hook
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.core.serving import endpoint_credentials


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
