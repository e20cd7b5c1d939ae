"""Names that nothing has: what commands say, with the similar name that was perhaps meant."""

from collections.abc import Iterator
from itertools import islice

import typer

from lowcloud.cli.terminal.lists import items_of
from lowcloud.cli.terminal.output import fail
from lowcloud.client.json_client import JsonClient

NAMES_COMPARED = 500  # the newest of each noun
PAGE = 100

LISTS = {  # noun -> the operation that lists them, and the members of its answer
    "job": ("lowcloud", "ListJobs", "Jobs", "JobName"),
    "endpoint": ("sagemaker", "ListEndpoints", "Endpoints", "EndpointName"),
    "model": ("sagemaker", "ListModels", "Models", "ModelName"),
}


def no_such(client: JsonClient, name: str, *nouns: str) -> typer.Exit:
    """Print that nothing has this name, neither a "job", nor what else is given, and return as `fail` does."""
    from lowcloud.schemas.spelling import did_you_mean

    alternatives = " or ".join(filter(None, [", ".join(nouns[:-1]), nouns[-1]]))
    known = (one for noun in nouns for one in _names(client, noun))
    lists = ", ".join(f"{noun}s" for noun in nouns)
    return fail(f"There is no {alternatives} named {name!r}. {did_you_mean(name, known, f'Lists: lowcloud {lists}.')}")


def _names(client: JsonClient, noun: str) -> Iterator[str]:
    service, operation, items, name = LISTS[noun]
    found = items_of(client.pages(service, operation, MaxResults=PAGE), items)
    return (one[name] for one in islice(found, NAMES_COMPARED))
