"""The operation table: one entry for every AWS operation that Lowcloud really performs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Request = Mapping[str, Any]  # the parsed input, by the member names of botocore's model
Answer = Mapping[str, Any]  # the output, likewise
# (cloud, caller, request) -> answer; a plain function runs in a worker thread, an async one on the event loop.
Function = Callable[[Any, Any, Request], Any]


@dataclass(frozen=True)
class Operation:
    """What is performed, and which members of its request are not."""

    service: str  # botocore's service name: "s3", "sagemaker", "sagemaker-runtime", "logs", ...
    name: str
    function: Function
    refused: tuple[str, ...]  # members answered with an error where present: honouring them matters
    ignored: tuple[str, ...]  # members accepted without effect, each harmless; listed in docs/COMPATIBILITY.md


OPERATIONS: dict[tuple[str, str], Operation] = {}


def operation(
    service: str, name: str, refused: tuple[str, ...] = (), ignored: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Enter a function into the table."""

    def enter(function: Function) -> Function:
        assert (service, name) not in OPERATIONS, f"{service} {name} is entered twice"
        OPERATIONS[service, name] = Operation(service, name, function, refused, ignored)
        return function

    return enter
