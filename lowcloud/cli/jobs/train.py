"""`lowcloud train`: the Python SDK's train() from the shell."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lowcloud.cli.serving.endpoints import print_deployed
from lowcloud.cli.terminal.options import WRONG_USAGE_EXIT_CODE, ReadingOptions, parse_pairs, parse_reading, parse_value
from lowcloud.cli.terminal.output import Home, Yes, confirm, fail, note, of_home, say
from lowcloud.cli.terminal.sdk_errors import errors_as_messages

if TYPE_CHECKING:
    from lowcloud.sdk.data.channels import Data, Source
    from lowcloud.sdk.jobs import Job
    from lowcloud.sdk.planned_jobs import DataOptions, JobOptions

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
    reading: ReadingOptions = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Send files to a built-in algorithm as they are, as its container reads them.")
    ] = False,
    yes: Yes = False,
    home: Home = None,
) -> None:
    """Train a model on data with parameters. Starts the server if it is not running."""
    if deploy and not wait:
        raise fail("--deploy waits for the job, so it cannot be combined with --detach.", WRONG_USAGE_EXIT_CODE)
    with errors_as_messages():
        from lowcloud.sdk.planned_jobs import DataOptions, JobOptions

        inputs = {"train": data, **parse_pairs("--channel", channel, "CHANNEL=DATA")} if channel else data
        parameters = {key: parse_value(text) for key, text in parse_pairs("--parameter", parameter).items()}
        held_out = _parse_validation(validation)
        data_options = DataOptions(target, held_out, parse_reading(reading), raw, allow_large=True)
        job_options = JobOptions(
            name=name,
            instance_type=instance_type,
            instances=instances,
            image=image,
            requirements=requirements,
            metrics=parse_pairs("--metric", metric, "NAME=REGEX"),
            tags=parse_pairs("--tag", tag, "KEY=VALUE"),
            experiment=experiment,
        )
        job = _start(model, inputs, parameters, data_options, job_options, home, is_confirmed=yes)
        if not wait:
            say(f"{job.name} has started; follow it with: {of_home(f'lowcloud logs --follow {job.name}', home)}")
            return
        say(repr(job.wait()))
        if deploy:
            print_deployed(job.deploy().name, home)


def _start(
    model: str,
    inputs: "Data",
    parameters: Mapping[str, Any],
    data_options: "DataOptions",
    job_options: "JobOptions",
    home: Path | None,
    *,
    is_confirmed: bool,
) -> "Job":
    """Start a job, after asking if much is to be sent, and saying what is sent once nothing is to be refused."""
    from lowcloud.sdk.data import sources
    from lowcloud.sdk.data.reading import say as say_notes
    from lowcloud.sdk.planned_jobs import measure, plan

    size = measure(model, inputs, data_options.validation)
    if size.files > sources.MOST_FILES or size.bytes > sources.MOST_BYTES:  # before it is read
        confirm(f"Send {size}?", is_confirmed)
    planned = plan(model, inputs, parameters, data_options, job_options, home)
    if size.files:
        note(f"Data and code: {size}")
    say_notes(planned.notes)
    return planned.start()


def _parse_validation(text: str | None) -> "Source | float | None":
    try:
        return float(text) if text else None
    except ValueError:
        return text
