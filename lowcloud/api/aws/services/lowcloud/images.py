"""Operations on registered images: what image names mean in this cloud."""

from typing import Any

from lowcloud.api.aws.access.permissions import on, on_any
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.programs import images
from lowcloud.core.programs.images import IMAGE, Image
from lowcloud.schemas.spelling import did_you_mean


@operation("lowcloud", "AddImage", on("image/{ImageName}"))
def add_image(context: Context, caller: Caller, request: Request) -> Answer:
    """Exactly one of Python, Requirements, Command and Container is given."""
    image = Image(
        name=request["ImageName"],
        created_at=context.now(),
        python=request.get("Python", ""),
        requirements=request.get("Requirements", ""),
        command=tuple(request.get("Command", [])),
        is_container=request.get("Container", False),
    )
    try:
        images.register(context, image)
    except InvalidError as error:
        raise AwsError("ValidationException", str(error)) from error
    return {}


@operation("lowcloud", "ListImages", on_any("sagemaker:ListImages"))
def list_images(context: Context, caller: Caller, request: Request) -> Answer:
    """By name."""
    return {"Images": [_describe(image) for image in images.registered(context)]}


@operation("lowcloud", "RemoveImage", on("image/{ImageName}"))
def remove_image(context: Context, caller: Caller, request: Request) -> Answer:
    """Jobs that run with it continue."""
    try:
        resources.delete(context, IMAGE, request["ImageName"])
    except NotFoundError as error:
        hint = did_you_mean(request["ImageName"], (image.name for image in images.registered(context)))
        raise AwsError("ResourceNotFound", f"{error} {hint}".strip()) from error
    return {}


def _describe(image: Image) -> dict[str, Any]:
    members = {
        "Python": image.python,
        "Requirements": image.requirements,
        "Command": list(image.command),
        "Container": image.is_container,
    }
    shown = {member: value for member, value in members.items() if value}
    return {"ImageName": image.name, "CreationTime": image.created_at, **shown}
