"""The Python SDK from the shell: `lowcloud train`, `predict` and `stop`."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lowcloud.cli.terminal import Home, fail, output

if TYPE_CHECKING:
    from lowcloud.sdk.data.channels import Source
    from lowcloud.sdk.jobs import Job

Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", help="A hyperparameter, NAME=VALUE; can be repeated.")
]


def train(
    model: Annotated[str, typer.Argument(help="A built-in algorithm (linear-learner, xgboost) or a script.")],
    data: Annotated[str, typer.Argument(help="A file, a folder or an s3:// URL.")],
    parameter: Parameters = None,
    target: Annotated[str | None, typer.Option(help="The label column, for built-in algorithms.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Validation data, or the fraction of rows to use as such.")
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="More input data, CHANNEL=SOURCE; can be repeated.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the job.", show_default="generated")] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--detach", help="Show progress until the job ends, or return immediately.")
    ] = True,
    deploy: Annotated[
        bool, typer.Option("--deploy", help="Then deploy the model to an endpoint with the job's name.")
    ] = False,
    instance_type: Annotated[str, typer.Option(help="Instance type to train on.")] = "ml.m5.large",
    instances: Annotated[int, typer.Option(help="Number of instances.", min=1)] = 1,
    image: Annotated[str | None, typer.Option(help="Image that runs a script.")] = None,
    requirements: Annotated[Path | None, typer.Option(help="Requirements file for a script.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric in a script's output, NAME=REGEX; can be repeated.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag of the job, KEY=VALUE; can be repeated.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Experiment that the job belongs to.")] = None,
    home: Home = None,
) -> None:
    """Train a model on data with parameters. Starts the server if it is not running."""
    from lowcloud import sdk

    if deploy and not wait:
        raise fail("--deploy waits for the job, so it cannot be combined with --detach.")
    with _errors_as_messages():
        job = sdk.train(
            model,
            {"train": data, **_pairs("--channel", channel)} if channel else data,
            {key: _parse_value(text) for key, text in _pairs("--parameter", parameter).items()},
            target=target,
            validation=_parse_validation(validation),
            name=name,
            wait=wait,
            instance_type=instance_type,
            instances=instances,
            image=image,
            requirements=requirements,
            metrics=_pairs("--metric", metric),
            tags=_pairs("--tag", tag),
            experiment=experiment,
            home=home,
        )
        if wait:
            output.print(repr(job), markup=False)
        else:
            output.print(f"{job.name} has started; follow it with: lowcloud logs --follow {job.name}", markup=False)
        if deploy:
            _deploy(job)


def stop(
    name: Annotated[str, typer.Argument(help="Name of a training job or an endpoint.")],
    endpoint: Annotated[bool, typer.Option("--endpoint", help="Delete the endpoint with this name.")] = False,
    home: Home = None,
) -> None:
    """Stop a training job, keeping what it has saved, or delete an endpoint.

    If no job has this name, or with --endpoint, the endpoint and its model are deleted. The model artifact is kept.
    """
    with _errors_as_messages():
        if endpoint or (job := _find_job(name, home)) is None:
            _delete_endpoint(name, home)
        elif job.is_over:
            output.print(f"{name} has already ended: {job.status}", markup=False)
        else:
            job.stop()
            output.print(f"{name} is stopping", markup=False)


def predict(
    name: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Name of the endpoint.")],
    rows: Annotated[Path, typer.Argument(help="CSV file of features, with or without a header.")],
    home: Home = None,
) -> None:
    """Print the predictions of an endpoint, one line for each row."""
    from lowcloud import sdk

    with _errors_as_messages():
        endpoint = sdk.endpoint(name, home=home)
        predictions = endpoint.predict(_read_rows(rows))
    is_sequence = hasattr(predictions, "__len__") and not isinstance(predictions, str | dict)
    for prediction in predictions if is_sequence else [predictions]:
        plain = prediction.tolist() if hasattr(prediction, "tolist") else prediction
        print(plain if isinstance(plain, str) else json.dumps(plain))
    sys.stdout.flush()


def _deploy(job: "Job") -> None:
    endpoint = job.deploy()
    output.print(
        f"{endpoint.name} is in service; query it with: lowcloud predict {endpoint.name} rows.csv", markup=False
    )
    output.print(f"It runs until it is deleted with: lowcloud stop --endpoint {endpoint.name}", markup=False)


def _find_job(name: str, home: Path | None) -> "Job | None":
    from lowcloud import sdk

    try:
        return sdk.job(name, home=home)
    except sdk.InvalidInputError:
        return None


def _delete_endpoint(name: str, home: Path | None) -> None:
    from lowcloud import sdk

    try:
        found = sdk.endpoint(name, home=home)
    except sdk.InvalidInputError:
        raise fail(f"There is no training job and no endpoint named {name!r}.") from None
    found.delete()
    output.print(f"The endpoint {name} is deleted; the model artifact is kept", markup=False)


@contextmanager
def _errors_as_messages() -> Iterator[None]:
    """Print errors of the SDK as messages, without a traceback."""
    from lowcloud.sdk import LowcloudError

    try:
        yield
    except LowcloudError as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in given or ()]
    invalid = next((name for name, separator, _ in pairs if not separator or not name), None)
    if invalid is not None:
        raise fail(f"{option} {invalid!r} must have the form NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _parse_value(text: str) -> Any:
    """Return the value that the text is in JSON (a number, true, a list ...), otherwise the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parse_validation(text: str | None) -> "Source | float | None":
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _read_rows(path: Path) -> Any:
    from lowcloud.sdk.data import tables

    tables.require_polars()
    import polars as pl

    try:
        with path.open(newline="") as file:
            first = next(csv.reader(file), [])
        has_header = not any(isinstance(_parse_value(cell), int | float) for cell in first)
        table = pl.read_csv(path, has_header=has_header, infer_schema_length=None)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise fail(f"{path} cannot be read: {error}.") from error
    return table if has_header else table.to_numpy()
