"""From a job's artifact to an endpoint: the model with the script that serves it, and what it runs on."""

import json
import tarfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from lowcloud.sdk import columns, imports, storage
from lowcloud.sdk.algorithm import PROGRAM, PROGRAM_FILE, SOURCE
from lowcloud.sdk.cloud import Cloud, check_instance_type, name_of
from lowcloud.sdk.endpoints import PROGRAM_VARIABLE, Endpoint, of_container
from lowcloud.sdk.errors import EndpointFailedError, InvalidInputError, RefusedError, asking

INSTANCE_TYPE = "ml.m5.large"
SOURCE_VARIABLE = "SAGEMAKER_SUBMIT_DIRECTORY"
INFERENCE_FILE = "inference.py"
SERVING_FUNCTIONS = {"model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn"}


def of_job(cloud: Cloud, described: Mapping[str, Any], artifact: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The container that serves the model of a job, as DescribeTrainingJob tells of it."""
    given = described["HyperParameters"]
    trained_in = described.get("Environment", {})
    serving = {columns.VARIABLE: trained_in[columns.VARIABLE]} if columns.VARIABLE in trained_in else {}
    if {PROGRAM, SOURCE} <= given.keys():
        entry_point, source = json.loads(given[PROGRAM]), json.loads(given[SOURCE])
        serving[SOURCE_VARIABLE] = source
        if program := _serving_program(cloud, entry_point, source):
            serving[PROGRAM_VARIABLE] = program
    image = described["AlgorithmSpecification"]["TrainingImage"]
    return {"Image": image, "ModelDataUrl": artifact, "Environment": {**serving, **environment}}


def deploy(cloud: Cloud, name: str, container: Mapping[str, Any], instance_type: str, instances: int) -> Endpoint:
    """Make model, configuration and endpoint, all of one name, and wait until it answers.

    Raises InvalidInputError where there is an endpoint of this name, and EndpointFailedError.
    """
    name = name_of(name, name)
    check_instance_type(instance_type)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": instance_type,
        "InitialInstanceCount": instances,
    }
    made = of_container(cloud, name, container)
    try:
        with asking():
            cloud.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=cloud.role)
            cloud.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
            cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    except RefusedError as refusal:
        if "already exist" in str(refusal):
            raise InvalidInputError(
                f"There is a model or an endpoint {name!r} already. lowcloud.endpoint({name!r}).delete() takes it "
                "away; deploy('another-name') leaves it."
            ) from None
        raise
    try:
        return made.wait()
    except EndpointFailedError:
        made.delete()  # its name is free again, and its log stays
        raise


def _serving_program(cloud: Cloud, entry_point: str, source: str) -> str | None:
    """The script of the source archive that serves: inference.py, or the one that trained; None where neither does."""
    with tarfile.open(fileobj=BytesIO(storage.read(cloud, source))) as archive:
        names = archive.getnames()
        if entry_point == PROGRAM_FILE:
            return PROGRAM_FILE
        if INFERENCE_FILE in names:
            return INFERENCE_FILE
        file = archive.extractfile(entry_point) if entry_point in names and entry_point.endswith(".py") else None
        text = file.read().decode(errors="replace") if file else ""
    return entry_point if imports.defines(text, SERVING_FUNCTIONS) else None
