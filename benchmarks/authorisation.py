"""The cost of authorising one request of a role with ten of AWS's managed policies, in microseconds of CPU.

    python benchmarks/authorisation.py

The policies are compiled and cached, as they are from the second request of a principal on. `authorise` is all of it:
what the operation declares, the values that conditions may ask for, and the decisions on each permission.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.authorisation import authorise
from lowcloud.api.aws.services import OPERATIONS
from lowcloud.api.http.messages import HttpRequest
from lowcloud.catalog import managed_policies
from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError
from lowcloud.core.identity import caller_policies
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies import documents
from lowcloud.core.policies.evaluation import UNSHARED, Policies, evaluate
from lowcloud.core.policies.requests import AccessRequest, PrincipalKind
from lowcloud.home import settings
from lowcloud.server.server import open_context

TARGET_US = 30.0
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/runner"
NAMES = (  # each is small but the first, which has the most conditions, and the last, which names the most actions
    "AmazonSageMakerFullAccess",
    "AmazonS3ReadOnlyAccess",
    "CloudWatchLogsFullAccess",
    "CloudWatchReadOnlyAccess",
    "IAMReadOnlyAccess",
    "AmazonSQSFullAccess",
    "AmazonSNSFullAccess",
    "AWSLambda_FullAccess",
    "AmazonEC2ContainerRegistryReadOnly",
    "ReadOnlyAccess",
)
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sagemaker DescribeModel": ("sagemaker", "DescribeModel", {"ModelName": "m"}),
    "sagemaker ListModels": ("sagemaker", "ListModels", {}),
    "sagemaker DeleteEndpoint": ("sagemaker", "DeleteEndpoint", {"EndpointName": "e"}),
    "sagemaker CreateModel (two permissions)": (
        "sagemaker",
        "CreateModel",
        {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "i"}},
    ),
    "s3 GetObject": ("s3", "GetObject", {"Bucket": "sagemaker-shelf", "Key": "a/b"}),
    "s3 PutObject": ("s3", "PutObject", {"Bucket": "sagemaker-shelf", "Key": "a/b"}),
    "s3 PutObject, denied": ("s3", "PutObject", {"Bucket": "shelf", "Key": "a/b"}),
    "iam CreateRole, denied": ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}),
}


def main() -> None:
    policies = Policies([documents.parse(managed_policies.document(name), documents.IDENTITY, name) for name in NAMES])
    with tempfile.TemporaryDirectory() as folder:
        context = open_context(settings.load(Path(folder) / "home", {"LOWCLOUD_ACCOUNT_ID": ACCOUNT}))
        caller_policies.of = lambda _context, _caller: policies  # what a look-up in the cache returns
        print(f"{'request':44} {'authorise us':>12} {'of target':>10} {'evaluate us':>12}")
        for name, (service, operation, request) in CASES.items():
            total, evaluation = measure(context, policies, service, operation, request)
            print(f"{name:44} {total:12.1f} {total / TARGET_US:9.2f}x {evaluation:12.1f}")
        context.database.close()


def measure(
    context: Context, policies: Policies, service: str, name: str, request: dict[str, Any]
) -> tuple[float, float]:
    """Return the cost of authorising a request, and of the evaluator's part of it."""
    caller = Caller(ACCOUNT, kind=PrincipalKind.ROLE_SESSION, name="runner", session="s", is_temporary=True)
    http = HttpRequest("POST", "/", "", {"user-agent": "Boto3/1.40"}, client="127.0.0.1")
    operation = OPERATIONS[service, name]

    def ask() -> None:
        with suppress(ForbiddenError):
            authorise(context, caller, operation, http, request)

    needed = list(operation.access(Call(context, caller, service, name, request, {})))
    requests = [AccessRequest(caller.principal, one.action, one.resource, one.account_id, one.facts) for one in needed]

    def decide() -> None:
        for one in requests:
            evaluate(one, policies, UNSHARED)

    return microseconds(ask), microseconds(decide)


def microseconds(step: Callable[[], object], rounds: int = 3000) -> float:
    """Return the best of five measurements."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(rounds):
            step()
        best = min(best, time.process_time() - began)
    return best / rounds * 1e6


if __name__ == "__main__":
    main()
