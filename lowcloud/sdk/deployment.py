"""Deploys the model of a job: creates the container definition, model, endpoint configuration and endpoint."""

import tarfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from lowcloud.sdk import storage, wording
from lowcloud.sdk.code import imports
from lowcloud.sdk.code.trainer import PROGRAM_FILE, PROGRAM_PARAMETER, SOURCE_PARAMETER, read_hyperparameter
from lowcloud.sdk.connection import Cloud, check_instance_type, make_name
from lowcloud.sdk.data import columns
from lowcloud.sdk.endpoints import PROGRAM_VARIABLE, Endpoint, endpoint_of_container
from lowcloud.sdk.errors import EndpointFailedError, InvalidInputError, RefusedError, translate_errors

INSTANCE_TYPE = "ml.m5.large"
SOURCE_VARIABLE = "SAGEMAKER_SUBMIT_DIRECTORY"
INFERENCE_FILE = "inference.py"
SERVING_FUNCTIONS = {"model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn"}


def container_of_job(
    cloud: Cloud, job: Mapping[str, Any], artifact: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return the container definition that serves the model of a job, given its DescribeTrainingJob response."""
    given = job["HyperParameters"]
    training_variables = job.get("Environment", {})
    serving = {name: value for name, value in training_variables.items() if name == columns.VARIABLE}
    if {PROGRAM_PARAMETER, SOURCE_PARAMETER} <= given.keys():
        entry_point, source = (str(read_hyperparameter(given[name])) for name in (PROGRAM_PARAMETER, SOURCE_PARAMETER))
        serving[SOURCE_VARIABLE] = source
        if program := _serving_program(cloud, entry_point, source):
            serving[PROGRAM_VARIABLE] = program
    image = job["AlgorithmSpecification"]["TrainingImage"]
    return {"Image": image, "ModelDataUrl": artifact, "Environment": {**serving, **environment}}


def deploy(cloud: Cloud, name: str, container: Mapping[str, Any], instance_type: str, instances: int) -> Endpoint:
    """Create a model, an endpoint configuration and an endpoint with the same name, and wait until it is in service.

    Raises EndpointFailedError, and InvalidInputError if the name is already used.
    """
    name = make_name(name, name)
    check_instance_type(instance_type)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": instance_type,
        "InitialInstanceCount": instances,
    }
    endpoint = endpoint_of_container(cloud, name, container)
    try:
        with translate_errors():
            cloud.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=cloud.role)
            cloud.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
            cloud.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    except RefusedError as refusal:
        if "already exist" in str(refusal):
            deletion = f"lowcloud delete {name}{cloud.home_option}"
            other = wording.either("deploy('another-name')", "lowcloud deploy JOB --name NAME")
            exists = f"There is already a model or endpoint {name!r}"
            raise InvalidInputError(f"{exists}. Delete it ({deletion}), or choose another name: {other}.") from None
        raise
    try:
        return endpoint.wait()
    except EndpointFailedError:
        endpoint.delete()  # frees the name, and keeps the log
        raise


def _serving_program(cloud: Cloud, entry_point: str, source: str) -> str | None:
    """Return the script of a source archive that serves: inference.py, or the training script, or None."""
    with tarfile.open(fileobj=BytesIO(storage.download(cloud, source))) as archive:
        names = archive.getnames()
        if entry_point == PROGRAM_FILE:
            return PROGRAM_FILE
        if INFERENCE_FILE in names:
            return INFERENCE_FILE
        file = archive.extractfile(entry_point) if entry_point in names and entry_point.endswith(".py") else None
        text = file.read().decode(errors="replace") if file else ""
    return entry_point if imports.defines_any(text, SERVING_FUNCTIONS) else None
