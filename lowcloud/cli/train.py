"""The commands that train models and ask them, lowcloud.train from the shell: train, stop, predict."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lowcloud.cli.terminal import Home, failure, output

if TYPE_CHECKING:
    from lowcloud.sdk.data import Source
    from lowcloud.sdk.jobs import Job

Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", help="A hyperparameter, NAME=VALUE; may be given often.")
]


def train(
    model: Annotated[str, typer.Argument(help="A built-in's name (linear-learner, xgboost), or a script.")],
    data: Annotated[str, typer.Argument(help="A file, a folder or an s3:// URL.")],
    parameter: Parameters = None,
    target: Annotated[str | None, typer.Option(help="The column that is the label, for built-ins.")] = None,
    validation: Annotated[str | None, typer.Option(help="More data, or the fraction of the rows to hold back.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Further data, CHANNEL=PLACE; may be given often.")] = None,
    name: Annotated[str | None, typer.Option(help="The job's name.", show_default="one is made up")] = None,
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Show how it goes until it is over.")] = True,
    deploy: Annotated[
        bool, typer.Option("--deploy", help="Then serve the model at an endpoint of its name; it stays up.")
    ] = False,
    instance_type: Annotated[str, typer.Option(help="What it runs on.")] = "ml.m5.large",
    instances: Annotated[int, typer.Option(help="How many of it.", min=1)] = 1,
    image: Annotated[str | None, typer.Option(help="The image that runs a script.")] = None,
    requirements: Annotated[Path | None, typer.Option(help="A requirements file for a script.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="A metric of a script, NAME=REGEX.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag of the job, KEY=VALUE.")] = None,
    experiment: Annotated[str | None, typer.Option(help="The experiment it belongs to.")] = None,
    home: Home = None,
) -> None:
    """Train a model: T(model, data, parameters). The cloud is started where it does not run."""
    from lowcloud import sdk

    if deploy and not wait:
        raise failure("--deploy waits for the job: leave out --detach.")
    with _told():
        job = sdk.train(
            model,
            {"train": data, **_pairs("--channel", channel)} if channel else data,
            {key: _value(text) for key, text in _pairs("--parameter", parameter).items()},
            target=target,
            validation=_validation(validation),
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
            output.print(f"{job.name} is on its way; watch it with: lowcloud logs --follow {job.name}", markup=False)
        if deploy:
            _deploy(job)


def stop(
    name: Annotated[str, typer.Argument(help="The training job, or the endpoint.")],
    endpoint: Annotated[bool, typer.Option("--endpoint", help="Delete the endpoint of this name.")] = False,
    home: Home = None,
) -> None:
    """Ask a training job to end; what it has saved is kept.

    With --endpoint, or where no job has the name, delete the endpoint with its model; the artifact is kept.
    """
    with _told():
        if endpoint or (job := _job(name, home)) is None:
            _delete(name, home)
        elif job.is_over:
            output.print(f"{name} is over already: {job.status}", markup=False)
        else:
            job.stop()
            output.print(f"{name} is told to stop", markup=False)


def predict(
    name: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint.")],
    rows: Annotated[Path, typer.Argument(help="A CSV file of features, with or without names of columns.")],
    home: Home = None,
) -> None:
    """Print what an endpoint predicts, a line for each row."""
    from lowcloud import sdk

    with _told():
        endpoint = sdk.endpoint(name, home=home)
        answers = endpoint.predict(_rows(rows))
    for one in answers if hasattr(answers, "__len__") and not isinstance(answers, str | dict) else [answers]:
        plain = one.tolist() if hasattr(one, "tolist") else one
        print(plain if isinstance(plain, str) else json.dumps(plain))
    sys.stdout.flush()


def _deploy(job: "Job") -> None:
    endpoint = job.deploy()
    output.print(f"{endpoint.name} answers: lowcloud predict {endpoint.name} rows.csv", markup=False)
    output.print(f"It stays up; delete it with: lowcloud stop --endpoint {endpoint.name}", markup=False)


def _job(name: str, home: Path | None) -> "Job | None":
    from lowcloud import sdk

    try:
        return sdk.job(name, home=home)
    except sdk.InvalidInputError:
        return None


def _delete(name: str, home: Path | None) -> None:
    from lowcloud import sdk

    try:
        found = sdk.endpoint(name, home=home)
    except sdk.InvalidInputError:
        raise failure(f"There is no training job and no endpoint {name!r} to be stopped.") from None
    found.delete()
    output.print(f"The endpoint {name} is deleted; its artifact is kept", markup=False)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong is a sentence in red."""
    from lowcloud.sdk import LowcloudError

    try:
        yield
    except LowcloudError as error:
        raise failure(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in given or ()]
    if odd := next((name for name, sign, _ in pairs if not sign or not name), None):
        raise failure(f"{option} {odd!r} must look like NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _value(text: str) -> Any:
    """A number, true, false, a list or a dict where the text is that in JSON; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _validation(text: str | None) -> "Source | float | None":
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _rows(path: Path) -> Any:
    from lowcloud.sdk import frames

    frames.require_polars()
    import polars as pl

    try:
        with path.open(newline="") as file:
            first = next(csv.reader(file), [])
        has_names = not any(isinstance(_value(cell), int | float) for cell in first)  # a row may begin with a text
        table = pl.read_csv(path, has_header=has_names, infer_schema_length=None)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise failure(f"{path} cannot be read: {error}.") from error
    return table if has_names else table.to_numpy()
