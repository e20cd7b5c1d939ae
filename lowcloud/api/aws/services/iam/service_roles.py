"""Service-linked roles, which a service makes for itself and nobody else changes."""

import json
import re

from lowcloud.api.aws.access.permissions import on
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.errors import invalid, no_such_entity
from lowcloud.api.aws.services.iam.permissions import on_role
from lowcloud.api.aws.services.iam.roles import describe_whole
from lowcloud.api.aws.services.iam.translation import SERVICE_ROLES
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError
from lowcloud.core.identity import roles
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE

# As AWS names the roles of the services that are here.
NAMES = {
    "sagemaker.amazonaws.com": "AWSServiceRoleForAmazonSageMakerNotebooks",
    "lambda.amazonaws.com": "AWSServiceRoleForLambda",
    "events.amazonaws.com": "AWSServiceRoleForCloudWatchEvents",
}
_TASK = re.compile(r"task/aws-service-role/[^/]+/(?P<role>[\w+=,.@-]+)/[0-9a-f-]+")


@operation("iam", "CreateServiceLinkedRole", on("role/aws-service-role/{AWSServiceName}/*"), refused=("CustomSuffix",))
def create_service_linked_role(context: Context, caller: Caller, request: Request) -> Answer:
    service = request["AWSServiceName"]
    if service not in NAMES:
        raise invalid(f"Service-linked roles of {service} are not known here, only those of {', '.join(NAMES)}.")
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust_policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    try:
        description = request.get("Description", "")
        role = roles.create(context, NAMES[service], trust_policy, f"{SERVICE_ROLES}{service}/", description)
    except AlreadyExistsError as error:
        raise invalid(
            f"Service role name {NAMES[service]} has been taken in this account, please try a different suffix."
        ) from error
    return {"Role": describe_whole(context, role)}


@operation("iam", "DeleteServiceLinkedRole", on_role())
def delete_service_linked_role(context: Context, caller: Caller, request: Request) -> Answer:
    """The role is deleted when this returns."""
    role = resources.find(context, ROLE, request["RoleName"])
    if not role.path.startswith(SERVICE_ROLES):
        raise invalid(f"{role.name} is not a service-linked role.")
    roles.delete(context, role.name)
    return {"DeletionTaskId": f"task{role.path}{role.name}/{role.id.encode().hex()}"}


@operation("iam", "GetServiceLinkedRoleDeletionStatus", on("role/aws-service-role/*"))
def get_service_linked_role_deletion_status(context: Context, caller: Caller, request: Request) -> Answer:
    match = _TASK.fullmatch(request["DeletionTaskId"])
    if match is None or match["role"] not in NAMES.values():
        raise no_such_entity(f"The deletion task {request['DeletionTaskId']} cannot be found.")
    return {"Status": "SUCCEEDED"}
