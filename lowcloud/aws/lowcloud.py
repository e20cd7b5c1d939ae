"""What this cloud can do beyond AWS, in AWS's manner: a service of its own, whose model lies in api/."""

from typing import Any

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.core import images, jobs
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid, NotFound
from lowcloud.core.images import Image
from lowcloud.core.jobs import TRAINING


@operation("lowcloud", "AddImage")
def add_image(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    """Exactly one meaning is given."""
    image = Image(
        name=request["ImageName"],
        created_at=cloud.now(),
        python=request.get("Python", ""),
        requirements=request.get("Requirements", ""),
        command=tuple(request.get("Command", [])),
        is_container=request.get("Container", False),
    )
    try:
        images.teach(cloud, image)
    except Invalid as error:
        raise _invalid(error) from error
    return {}


@operation("lowcloud", "ListImages")
def list_images(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    """By name."""
    return {"Images": [_describe(image) for image in images.taught(cloud)]}


@operation("lowcloud", "RemoveImage")
def remove_image(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    """Jobs that run with it go on."""
    try:
        images.forget(cloud, request["ImageName"])
    except NotFound as error:
        raise AwsError("ResourceNotFound", str(error)) from error
    return {}


@operation("lowcloud", "InterruptTrainingJob")
def interrupt_training_job(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    """The job starts again from its checkpoint once there is room for it."""
    try:
        jobs.interrupt(cloud, TRAINING, request["TrainingJobName"])
    except NotFound as error:
        raise AwsError("ResourceNotFound", str(error)) from error
    except Invalid as error:
        raise _invalid(error) from error
    return {}


def _invalid(error: Invalid) -> AwsError:
    return AwsError("ValidationException", str(error))


def _describe(image: Image) -> dict[str, Any]:
    meaning = {
        "Python": image.python,
        "Requirements": image.requirements,
        "Command": list(image.command),
        "Container": image.is_container,
    }
    shown = {member: value for member, value in meaning.items() if value}
    return {"ImageName": image.name, "CreationTime": image.created_at, **shown}
