"""`lowcloud describe`: what is known of a job, an endpoint or a model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lowcloud.cli.jobs.jobs import detail_of, find_job, seconds_of
from lowcloud.cli.serving import endpoints
from lowcloud.cli.terminal.connection import connect, connect_sdk
from lowcloud.cli.terminal.lists import AsJson, to_json, to_time
from lowcloud.cli.terminal.names import no_such
from lowcloud.cli.terminal.output import Home, output, print_fact
from lowcloud.cli.terminal.sdk_errors import errors_as_messages
from lowcloud.client.json_client import JsonClient

Facts = Mapping[str, Any]


def describe(
    name: Annotated[str, typer.Argument(help="Name of a job, an endpoint or a model.")],
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show a job, an endpoint or a model; with --json, all that the API says of it."""
    client = connect(home)
    found = dict(_find(client, name, as_json))
    if not found:
        raise no_such(client, name, "job", "endpoint", "model")
    if as_json:
        print(to_json(found))
        return
    for number, (kind, description) in enumerate(found.items()):
        if number:
            output.print()
        for label, fact in _FACTS[kind](client, name, description, home).items():
            if fact not in ("", None):
                print_fact(label, str(fact))


def _find(client: JsonClient, name: str, is_whole: bool) -> Iterator[tuple[str, Facts]]:
    """Yield the kind and the description of everything that has this name."""
    job = find_job(client, name)
    if job and job["JobKind"] == "training job":
        yield "TrainingJob", _training_job(client, name)
    elif job and is_whole:
        yield "ProcessingJob", client.call("sagemaker", "DescribeProcessingJob", ProcessingJobName=name)
    elif job:
        yield "ProcessingJob", job  # Describe waits for the end of a new job
    if endpoint := endpoints.describe(client, "DescribeEndpoint", EndpointName=name):
        yield "Endpoint", endpoint
    if model := endpoints.describe(client, "DescribeModel", ModelName=name):
        yield "Model", model


def _training_job(client: JsonClient, name: str) -> Facts:
    # Not Describe, which waits for the end of a new job.
    by_name = {"Filters": [{"Name": "TrainingJobName", "Operator": "Equals", "Value": name}]}
    found = client.call("sagemaker", "Search", Resource="TrainingJob", SearchExpression=by_name)["Results"]
    job: Facts = found[0]["TrainingJob"]
    return job


def _job_facts(client: JsonClient, name: str, description: Facts, home: Path | None) -> Facts:
    job = find_job(client, name) or {}
    parameters = description.get("HyperParameters", {})
    metrics = {one["MetricName"]: f"{one['Value']:.4g}" for one in description.get("FinalMetricDataList", ())}
    return {
        "Job": name,
        "Kind": job.get("JobKind"),
        "Status": ", ".join(filter(None, [job["JobStatus"], detail_of(job)])) if job else "",
        "Created": to_time(description["CreationTime"]),
        "Seconds": seconds_of(job) if job else "",
        "Instances": f"{job['InstanceCount']} {job['InstanceType']}" if job else "",
        "Note": job.get("InstanceNote"),
        "Failure": job.get("FailureReason"),
        "Model": _stored_model(job, description, home),
        "Inputs": ", ".join(_inputs(description)),
        "Objects": ", ".join(description.get("DataUrls", ())),
        "Parameters": _pairs({key: parameters[key] for key in parameters if not key.startswith("sagemaker_")}),
        "Metrics": _pairs(metrics),
    }


def _endpoint_facts(client: JsonClient, name: str, description: Facts, _home: Path | None) -> Facts:
    variants = [
        f"{one['VariantName']} (instances: {one['CurrentInstanceCount']})"
        for one in description.get("ProductionVariants", ())
    ]
    served = endpoints.models_of(client, description)
    return {
        "Endpoint": name,
        "Status": description["EndpointStatus"],
        "Created": to_time(description["CreationTime"]),
        "Variants": ", ".join(variants),
        "Models": ", ".join(model["ModelName"] for model in served),
        "Failure": description.get("FailureReason"),
    }


def _model_facts(_client: JsonClient, name: str, description: Facts, _home: Path | None) -> Facts:
    container = description["PrimaryContainer"]
    return {
        "Model": name,
        "Created": to_time(description["CreationTime"]),
        "Image": container["Image"],
        "Artifact": container.get("ModelDataUrl"),
        "Variables": _pairs(container.get("Environment", {})),
    }


def _stored_model(job: Facts, description: Facts, home: Path | None) -> str:
    """Return where the model of a job is stored; a description names the place whether or not there is one."""
    url: str = description.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
    status = job.get("JobStatus")
    if not url or status not in ("Completed", "Stopped"):
        return ""
    if status == "Completed":
        return url
    from lowcloud import sdk

    with errors_as_messages():
        connect_sdk(home)
        return url if sdk.job(job["JobName"], home=home).has_model else ""


def _inputs(description: Facts) -> Iterator[str]:
    for channel in description.get("InputDataConfig", ()):
        source = channel["DataSource"].get("S3DataSource", {})
        yield f"{channel['ChannelName']} {source.get('S3Uri', '')}".strip()


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


_FACTS = {
    "TrainingJob": _job_facts,
    "ProcessingJob": _job_facts,
    "Endpoint": _endpoint_facts,
    "Model": _model_facts,
}
