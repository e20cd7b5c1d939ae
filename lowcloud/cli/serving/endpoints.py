"""The commands about models in service: `lowcloud endpoints`, `models`, `deploy`, `predict` and `delete`."""

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from lowcloud.cli.terminal.connection import connect, connect_sdk
from lowcloud.cli.terminal.lists import ROWS_SHOWN, All, AsJson, Number, items_of, print_list, print_rows, to_time
from lowcloud.cli.terminal.names import no_such
from lowcloud.cli.terminal.options import ReadingOptions, parse_reading
from lowcloud.cli.terminal.output import Home, fail, note, of_home, say
from lowcloud.cli.terminal.sdk_errors import errors_as_messages
from lowcloud.client.json_client import JsonClient, RequestRefusedError
from lowcloud.client.messages import names_nothing

ITEMS_PER_PAGE = 100

EndpointName = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Name of an endpoint.")]


def endpoints(number: Number = ROWS_SHOWN, every: All = False, as_json: AsJson = False, home: Home = None) -> None:
    """List the endpoints, newest first."""
    client = connect(home)
    columns = {
        "Endpoint": lambda endpoint: endpoint["EndpointName"],
        "Status": lambda endpoint: endpoint["EndpointStatus"],
        "Created": lambda endpoint: to_time(endpoint["CreationTime"]),
        "Models": lambda endpoint: " ".join(model["ModelName"] for model in models_of(client, endpoint)),
    }
    print_list(list_endpoints(client), columns, "endpoints", None if every else number, as_json)


def models(number: Number = ROWS_SHOWN, every: All = False, as_json: AsJson = False, home: Home = None) -> None:
    """List the models, newest first."""
    client = connect(home)

    @cache
    def container(name: str) -> Mapping[str, Any]:
        return container_of(client, name)

    columns = {
        "Model": lambda model: model["ModelName"],
        "Created": lambda model: to_time(model["CreationTime"]),
        "Image": lambda model: container(model["ModelName"])["Image"].rpartition("/")[2],
        "Artifact": lambda model: container(model["ModelName"]).get("ModelDataUrl", ""),
    }
    print_list(list_models(client), columns, "models", None if every else number, as_json)


def deploy(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Name of a training job.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the endpoint.", show_default="the job's name")
    ] = None,
    instance_type: Annotated[str, typer.Option(metavar="TYPE", help="Instance type of the endpoint.")] = "ml.m5.large",
    instances: Annotated[int, typer.Option(metavar="N", help="Number of instances.", min=1)] = 1,
    home: Home = None,
) -> None:
    """Deploy the model of a training job to an endpoint, after waiting for the end of the job."""
    from lowcloud import sdk

    with errors_as_messages():
        connect_sdk(home)
        trained = sdk.job(job, home=home)
        if not trained.is_over:
            note(f"Waiting for the job {job} to end")
        endpoint = trained.deploy(name, instance_type=instance_type, instances=instances)
    print_deployed(endpoint.name, home)


def predict(
    name: EndpointName,
    rows: Annotated[str, typer.Argument(help="File of features: CSV, TSV, JSON or Parquet, also with .gz.")],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Print the probability of each class instead of the label.")
    ] = False,
    reading: ReadingOptions = None,
    home: Home = None,
) -> None:
    """Print the predictions of an endpoint, one line for each row: labels of a classifier, otherwise numbers."""
    from lowcloud import sdk

    with errors_as_messages():
        connect_sdk(home)
        endpoint = sdk.endpoint(name, home=home)
        options = parse_reading(reading)
        predictions = endpoint.predict(rows, probabilities=probabilities, reading=options)
    if probabilities:
        classes = {str(label): [f"{value:.6g}" for value in predictions[label]] for label in predictions.columns}
        print_rows([tuple(classes), *zip(*classes.values(), strict=True)])
        return
    is_sequence = hasattr(predictions, "__len__") and not isinstance(predictions, str | dict)
    for prediction in predictions if is_sequence else [predictions]:
        plain = prediction.tolist() if hasattr(prediction, "tolist") else prediction
        print(plain if isinstance(plain, str) else json.dumps(plain))
    sys.stdout.flush()


def delete(
    name: Annotated[str, typer.Argument(help="Name of an endpoint or a model.")],
    home: Home = None,
) -> None:
    """Delete an endpoint with its configuration and its models, or a model. The model artifact is kept."""
    client = connect(home)
    is_endpoint = describe(client, "DescribeEndpoint", EndpointName=name) is not None
    if not is_endpoint and describe(client, "DescribeModel", ModelName=name):
        client.call("sagemaker", "DeleteModel", ModelName=name)
        say(f"The model {name} is deleted; the model artifact is kept")
        return
    delete_endpoint(client, name, home)


def delete_endpoint(client: JsonClient, name: str, home: Path | None) -> None:
    """Delete an endpoint and say so. Ends the command if there is none."""
    from lowcloud import sdk

    if not describe(client, "DescribeEndpoint", EndpointName=name):
        for job in client.call("lowcloud", "ListJobs", JobName=name)["Jobs"]:
            raise fail(f"{name} is a {job['JobKind']}; jobs are kept. No endpoint or model has this name.")
        raise no_such(client, name, "job", "endpoint", "model")
    with errors_as_messages():
        sdk.endpoint(name, home=home).delete()
    say(f"The endpoint {name} is deleted; the model artifact is kept")


def print_deployed(name: str, home: Path | None) -> None:
    """Say how to use and end an endpoint."""
    say(f"{name} is in service; query it with: {of_home(f'lowcloud predict {name} rows.csv', home)}")
    say(f"It runs until it is deleted with: {of_home(f'lowcloud delete {name}', home)}")


def list_endpoints(client: JsonClient) -> Iterator[Mapping[str, Any]]:
    """Yield the endpoints, newest first."""
    return items_of(client.pages("sagemaker", "ListEndpoints", MaxResults=ITEMS_PER_PAGE), "Endpoints")


def list_models(client: JsonClient) -> Iterator[Mapping[str, Any]]:
    """Yield the models, newest first."""
    return items_of(client.pages("sagemaker", "ListModels", MaxResults=ITEMS_PER_PAGE), "Models")


def models_of(client: JsonClient, endpoint: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the variants of an endpoint's configuration, each with its ModelName; none if that is gone."""
    described = describe(client, "DescribeEndpoint", EndpointName=endpoint["EndpointName"])
    configuration = described and describe(
        client, "DescribeEndpointConfig", EndpointConfigName=described["EndpointConfigName"]
    )
    return configuration["ProductionVariants"] if configuration else []


def container_of(client: JsonClient, model: str) -> Mapping[str, Any]:
    """Return the container of the model of this name."""
    described = describe(client, "DescribeModel", ModelName=model)
    return described["PrimaryContainer"] if described else {"Image": ""}


def serving_job(client: JsonClient, job: str) -> list[str]:
    """Return the names of the endpoints that serve the model of a training job."""
    found = describe(client, "DescribeTrainingJob", TrainingJobName=job)
    artifact = (found or {}).get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if not artifact:
        return []
    urls = cache(lambda model: urls_of(client, model))
    return [
        endpoint["EndpointName"]
        for endpoint in list_endpoints(client)
        if any(artifact in urls(variant["ModelName"]) for variant in models_of(client, endpoint))
    ]


def urls_of(client: JsonClient, model: str) -> list[str]:
    """Return the s3:// URLs that the model of this name is loaded from: its artifact, and what its variables name."""
    container = container_of(client, model)
    found = [container.get("ModelDataUrl", ""), *container.get("Environment", {}).values()]
    return [url for url in found if url.startswith("s3://")]


def describe(client: JsonClient, operation: str, **name: str) -> Mapping[str, Any] | None:
    """Return a description, or None if there is nothing of this name (any more)."""
    try:
        return client.call("sagemaker", operation, **name)
    except RequestRefusedError as refusal:
        if names_nothing(refusal.code, str(refusal)):
            return None
        raise
