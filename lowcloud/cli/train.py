"""`lowcloud train`: the Python SDK's train() from the shell."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lowcloud.cli.endpoints import print_deployed
from lowcloud.cli.sdk_errors import errors_as_messages
from lowcloud.cli.terminal import Home, fail, of_home, say

if TYPE_CHECKING:
    from lowcloud.sdk.data.channels import Source

Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A hyperparameter; can be repeated.")
]


def train(
    model: Annotated[str, typer.Argument(help="A built-in algorithm (linear-learner, xgboost) or a script.")],
    data: Annotated[str, typer.Argument(help="A file, a folder or an s3:// URL.")],
    parameter: Parameters = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The label column, for built-in algorithms.")
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Validation data, or the fraction of the rows to hold out, such as 0.2."),
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(metavar="CHANNEL=DATA", help="More input data; can be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the job.", show_default="generated")] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--detach", help="Show progress until the job ends, or return immediately.")
    ] = True,
    deploy: Annotated[
        bool, typer.Option("--deploy", help="Then deploy the model to an endpoint with the job's name.")
    ] = False,
    instance_type: Annotated[
        str,
        typer.Option(
            metavar="TYPE",
            help="Instance type: ml.m5.large has 2 cores; of ml.m6g.medium, with 1, more jobs run side by side.",
        ),
    ] = "ml.m5.large",
    instances: Annotated[int, typer.Option(metavar="N", help="Number of instances.", min=1)] = 1,
    image: Annotated[str | None, typer.Option(metavar="NAME", help="Image that runs a script.")] = None,
    requirements: Annotated[Path | None, typer.Option(metavar="FILE", help="Requirements file for a script.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME=REGEX", help="A metric in a script's output; can be repeated.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A tag of the job; can be repeated.")
    ] = None,
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="Experiment that the job belongs to.")] = None,
    home: Home = None,
) -> None:
    """Train a model on data with parameters. Starts the server if it is not running."""
    from lowcloud import sdk

    if deploy and not wait:
        raise fail("--deploy waits for the job, so it cannot be combined with --detach.")
    with errors_as_messages():
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
            say(repr(job))
        else:
            say(f"{job.name} has started; follow it with: {of_home(f'lowcloud logs --follow {job.name}', home)}")
        if deploy:
            print_deployed(job.deploy().name, home)


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
