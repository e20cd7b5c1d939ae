'''The operation table: one entry for every AWS operation that Lowcloud implements.

An operation is one small function that translates and calls core:

    @operation("sagemaker", "StopTrainingJob", on("training-job/{TrainingJobName}"))
    def stop_training_job(context: Context, caller: Caller, request: Request) -> Answer:
        """Only what the name does not say."""
        training.stop(context, request["TrainingJobName"])
        return {}

What an operation may rely on
- The request is verified, `caller` is its sender, and has the permissions that the operation declares.
- `request` has the members of botocore's input shape by name, parsed and validated against the model: required members
  are present; types, enums, lengths, ranges and patterns hold. Times are datetimes in UTC, blobs are bytes, a map is a
  dict. Members named in `refused` are absent.
- A streamed payload (S3's Body) is a `request_bodies.RequestBody`: `.read(n)` blocks, `.length` is its size or None,
  `.trailers` is complete once read has returned b"". Only then has the body been verified, so nothing may be committed
  or acknowledged before. Reading raises AwsError for a wrong length, hash or chunk signature, and RequestBodyError if
  the client disconnects: let both propagate.
- A plain function runs in a worker thread and may block; an `async def` runs on the event loop and must not.

What an operation returns
- The members of the output shape. None counts as absent. Times are datetimes or seconds since the epoch.
- A streamed payload is bytes, an iterator of bytes (run in a worker thread, and always closed at the end), an
  asynchronous iterator, or an object with `.read(n)`. If the output has ContentLength, it becomes the header.
- Status and headers that differ from the model's, under "ResponseMetadata" as boto3 returns them:
  {"HTTPStatusCode": 206, "HTTPHeaders": {"x-name": "value"}}.
- Errors are raised: AwsError(code, message, status, fields, headers), or a CloudError of core, which errors.py
  converts. A response with status 304 has no body.
'''

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import iscoroutinefunction
from typing import Any

from lowcloud.api.aws.access.calls import Access

Request = Mapping[str, Any]  # the parsed input, by the member names of botocore's model
Answer = Mapping[str, Any]  # the output, likewise
Function = Callable[[Any, Any, Request], Any]


@dataclass(frozen=True)
class Operation:
    """An implemented operation, and the members of its request that are not supported."""

    service: str  # botocore's service name: "s3", "sagemaker", "sagemaker-runtime", "logs", ...
    name: str
    function: Function
    access: Access  # the permissions that a call needs
    # Members refused with an error, since ignoring them could do harm; "A.B" is B of A, "A=X" is A with the value X.
    refused: tuple[str, ...]
    ignored: tuple[str, ...]  # members accepted without effect, each harmless; listed in docs/COMPATIBILITY.md

    @cached_property
    def is_async(self) -> bool:
        """Whether the operation runs on the event loop."""
        return iscoroutinefunction(self.function)


OPERATIONS: dict[tuple[str, str], Operation] = {}


def operation(
    service: str, name: str, access: Access, refused: tuple[str, ...] = (), ignored: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Register a function in the table, with the permissions that it needs (access/permissions.py)."""

    def register(function: Function) -> Function:
        assert (service, name) not in OPERATIONS, f"{service} {name} is registered twice"
        OPERATIONS[service, name] = Operation(service, name, function, access, refused, ignored)
        return function

    return register
