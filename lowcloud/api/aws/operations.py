'''The operation table: one entry for every AWS operation that Lowcloud really performs.

An operation is one small function that translates and calls core:

    @operation("sagemaker", "StopTrainingJob")
    def stop_training_job(cloud: Cloud, caller: Caller, request: Request) -> Answer:
        """What a reader must know that the name does not say."""
        training.stop(cloud, request["TrainingJobName"])
        return {}

What it may rely on
- The request is signed, `caller` is who signed it, and `authorise` has let it pass.
- `request` holds the members of botocore's input shape by their names, parsed and valid by the model: required members
  are there; types, enums, lengths, ranges and patterns hold. Absent members are absent. Times are datetimes in UTC,
  blobs are bytes, a map is a dict. Members named in `refused` are not there.
- A streamed payload (S3's Body) is a `bodies.Body`: `.read(n)` blocks, `.length` is its size or None, `.trailers` is
  complete once read has given b"". Only then has the body passed its checks, so nothing may be acknowledged or
  committed before. It raises AwsError where the client leaves, lies about the length or the hash, or breaks a chunk
  signature: let that pass.
- A plain function runs in a worker thread and may block; an `async def` runs on the event loop and must not.

What it gives
- The members of the output shape. None counts as absent. Times are datetimes or seconds since the epoch.
- A streamed payload is bytes, an iterator of bytes (run in a worker thread, closed at the end, whatever happens), an
  asynchronous iterator, or something with `.read(n)`. Where the answer has ContentLength it becomes the header.
- Status and further headers, where they are not the model's, under "ResponseMetadata" as boto3 shows them:
  {"HTTPStatusCode": 206, "HTTPHeaders": {"x-name": "value"}}.
- An error is raised: AwsError(code, message, status, fields, headers), or a CloudError of core, which errors.py
  translates. A status of 304 has no body.
'''

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import iscoroutinefunction
from typing import Any

Request = Mapping[str, Any]  # the parsed input, by the member names of botocore's model
Answer = Mapping[str, Any]  # the output, likewise
Function = Callable[[Any, Any, Request], Any]


@dataclass(frozen=True)
class Operation:
    """What is performed, and which members of its request are not."""

    service: str  # botocore's service name: "s3", "sagemaker", "sagemaker-runtime", "logs", ...
    name: str
    function: Function
    # Members answered with an error where present, since honouring them matters; "A.B" is B of A, "A=X" A of value X.
    refused: tuple[str, ...]
    ignored: tuple[str, ...]  # members accepted without effect, each harmless; listed in docs/COMPATIBILITY.md

    @cached_property
    def is_async(self) -> bool:
        """Whether it runs on the event loop."""
        return iscoroutinefunction(self.function)


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
