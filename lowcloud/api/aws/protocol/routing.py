"""Routing: the service, the operation and the protocol of a request.

The service is determined by the credential scope, then by X-Amz-Target; a request without either is for STS if it names
an action, and otherwise for S3.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import cast

from botocore.model import OperationModel, Shape

from lowcloud.api.aws.errors import AwsError, not_implemented, unknown_operation
from lowcloud.api.aws.protocol.service_models import Service, load_service
from lowcloud.api.http.messages import HttpRequest
from lowcloud.api.http.urls import query_pairs

JSON, REST_JSON, REST_XML, QUERY, CBOR = "json", "rest-json", "rest-xml", "query", "smithy-rpc-v2-cbor"
FORM = "application/x-www-form-urlencoded"
DEFAULT_SERVICE = "s3"  # of a request that names none, such as an anonymous one
CACHED_ROUTES = 1024  # per service

# botocore's service names by signing name, where they differ or several services share a signing name.
_SIGNING_NAMES: dict[str, tuple[str, ...]] = {
    "sagemaker": (
        "sagemaker",
        "sagemaker-runtime",
        "sagemaker-metrics",
        "sagemaker-featurestore-runtime",
        "sagemaker-a2i-runtime",
        "sagemaker-edge",
    ),
    "access-analyzer": ("accessanalyzer",),
    "monitoring": ("cloudwatch",),
    "dynamodb": ("dynamodb", "dynamodbstreams"),
    "states": ("stepfunctions",),
    "tagging": ("resourcegroupstaggingapi",),
    "servicequotas": ("service-quotas",),
    "elasticloadbalancing": ("elbv2",),
    "personalize": ("personalize", "personalize-runtime", "personalize-events"),
    "bedrock": ("bedrock", "bedrock-runtime", "bedrock-agent", "bedrock-agent-runtime"),
    "apigateway": ("apigateway", "apigatewayv2"),
    "kinesisanalytics": ("kinesisanalyticsv2", "kinesisanalytics"),
    "elasticmapreduce": ("emr",),
    "email": ("sesv2", "ses"),
}
_TARGETS = {
    "SageMaker": "sagemaker",
    "Logs_20140328": "logs",
    "GraniteServiceVersion20100801": "cloudwatch",
    "Lowcloud": "lowcloud",
}

_CBOR_PATH = re.compile(r"/service/([A-Za-z0-9_.]+)/operation/([A-Za-z0-9_]+)/?")
_LABEL = re.compile(r"\{(\w+\+?)\}")
_ACTION = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True)
class Target:
    """The requested operation. `path` is the one that rest operations are routed by, in path style for S3."""

    service: Service
    operation: OperationModel
    protocol: str
    path: str
    labels: Mapping[str, str]  # from the path, still percent-encoded


@dataclass(frozen=True)
class Dialect:
    """The facts known of a request before its operation: enough to send an error that its client understands."""

    services: tuple[str, ...]
    protocol: str
    json_version: str = "1.0"


DEFAULT_DIALECT = Dialect((DEFAULT_SERVICE,), REST_XML)
UNSIGNED_DIALECT = Dialect(
    ("sts",), QUERY
)  # the query protocol's unsigned requests: a token takes their signature's place


def find_dialect(request: HttpRequest, signing_name: str | None) -> Dialect:
    """Return the candidate services and the protocol of a request, from its head alone.

    No service model is loaded: the caller is not verified yet, and could make the server load all of them.
    """
    target = request.headers.get("x-amz-target", "")
    content_type = request.headers.get("content-type", "")
    names_action = request.path == "/" and (content_type.startswith(FORM) or "Action=" in request.query)
    if names_action and signing_name is None and not target:
        return UNSIGNED_DIALECT
    services = _services(signing_name, target)
    if services == DEFAULT_DIALECT.services:  # whatever the headers and the path look like
        return DEFAULT_DIALECT
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor" or _CBOR_PATH.fullmatch(request.path):
        return Dialect(services, CBOR)
    if target:
        return Dialect(services, JSON, "1.0" if "json-1.0" in content_type else "1.1")
    if names_action:
        return Dialect(services, QUERY)
    return Dialect(services, REST_JSON)


def find_target(request: HttpRequest, dialect: Dialect, body: bytes = b"", path: str | None = None) -> Target:
    """Return the requested operation. `path` is what rest operations are routed by, where it is not the request's.

    Raises AwsError: NotImplemented for a service that botocore does not know, otherwise unknown operation.
    """
    if dialect.protocol == CBOR:
        return _named(request, dialect, _operation_of_cbor(request))
    if dialect.protocol == JSON:
        return _named(request, dialect, request.headers.get("x-amz-target", "").rpartition(".")[2])
    if dialect.protocol == QUERY:
        form = body.decode("latin-1") if request.headers.get("content-type", "").startswith(FORM) else request.query
        return _named(request, dialect, dict(query_pairs(form)).get("Action", ""))
    return _routed(request, dialect, request.path if path is None else path)


def target_of(service_name: str, operation: str, path: str, labels: Mapping[str, str]) -> Target:
    """Return the target of a rest operation given by name."""
    service = load_service(service_name)
    assert service is not None
    return Target(service, service.operation(operation), service.protocols[0], path, labels)


def _services(signing_name: str | None, target: str) -> tuple[str, ...]:
    if signing_name is not None:
        return _SIGNING_NAMES.get(signing_name, (signing_name,))
    prefix = target.rpartition(".")[0]
    return (_TARGETS.get(prefix, "unknown"),) if target else (DEFAULT_SERVICE,)


def _is_rpc(service: Service) -> bool:
    return not any(protocol.startswith("rest-") for protocol in service.protocols)


def _supports(service: Service, protocol: str) -> bool:
    """EC2's variant of the query protocol is supported as far as identifying the operation."""
    return protocol in service.protocols or (protocol == QUERY and "ec2" in service.protocols)


def _named(request: HttpRequest, dialect: Dialect, name: str) -> Target:
    """Return the operation that the request names."""
    if not _ACTION.fullmatch(name):
        raise unknown_operation("The request does not name an operation.", dialect.protocol)
    services = [service for service in map(load_service, dialect.services) if service is not None]
    if not services:
        raise not_implemented(dialect.services[0], name)
    for service in services:
        if name in service.operations and _supports(service, dialect.protocol):
            return Target(service, service.operation(name), dialect.protocol, request.path, {})
    raise unknown_operation(f"{services[0].name} has no operation {name!r}.", dialect.protocol)


def _routed(request: HttpRequest, dialect: Dialect, path: str) -> Target:
    """Return the operation of a rest service, found by method, path and parameters."""
    query = dict(query_pairs(request.query))
    for name in dialect.services:
        service = load_service(name)
        if service is None or _is_rpc(service):
            continue
        found = _router(name).match(request.method, path, query, request.headers)
        if found is not None:
            operation, labels = found
            return Target(service, service.operation(operation), service.protocols[0], path, labels)
    raise unknown_operation(f"{dialect.services[0]} has no operation {request.method} {path[:256]}.", dialect.protocol)


def _operation_of_cbor(request: HttpRequest) -> str:
    match = _CBOR_PATH.fullmatch(request.path)
    if match is None:
        raise AwsError("UnknownOperationException", "rpc-v2-cbor requires the path /service/NAME/operation/NAME.", 404)
    return match[2]


@dataclass(frozen=True)
class Route:
    operation: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]  # labels, by group
    literals: int  # segments of the path that are not labels
    query: tuple[tuple[str, str | None], ...]  # required by the template
    required_query: tuple[str, ...]  # of required members: they distinguish UploadPart from PutObject
    required_headers: tuple[str, ...]

    def score(self, query: Mapping[str, str], headers: Container[str]) -> tuple[int, int, int] | None:
        """Return how well a request with these parameters matches, or None."""
        for name, value in self.query:
            if name not in query or (value is not None and query[name] != value):
                return None
        present = [name in query for name in self.required_query] + [name in headers for name in self.required_headers]
        return self.literals, len(self.query), sum(1 if is_present else -1 for is_present in present)


class Router:
    """The path templates of one service."""

    def __init__(self, service: Service):
        self._routes: dict[str, list[Route]] = {}
        operations = [service.operation(name) for name in service.model.operation_names]
        for operation in sorted(operations, key=lambda operation: operation.deprecated):  # deprecated ones last
            self._routes.setdefault(operation.http["method"], []).append(_route(operation))
        self._patterns = {method: {route.pattern for route in found} for method, found in self._routes.items()}
        routes = [route for method_routes in self._routes.values() for route in method_routes]
        self._distinguishing_query = {name for route in routes for name in (*dict(route.query), *route.required_query)}
        self._distinguishing_values = {pair for route in routes for pair in route.query}
        self._distinguishing_headers = {name for route in routes for name in route.required_headers}
        self._best = lru_cache(maxsize=CACHED_ROUTES)(self._find_best)

    def match(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[str, dict[str, str]] | None:
        """Return the operation whose template matches best, and the labels in the path."""
        matches = {pattern: pattern.fullmatch(path) for pattern in self._patterns.get(method, ())}
        route = self._best(
            method,
            tuple(pattern for pattern, match in matches.items() if match),
            tuple(
                (name, value if (name, value) in self._distinguishing_values else "")
                for name, value in query.items()
                if name in self._distinguishing_query
            ),
            tuple(name for name in headers if name in self._distinguishing_headers),
        )
        if route is None:
            return None
        match = matches[route.pattern]
        assert match is not None
        return route.operation, dict(zip(route.names, match.groups(), strict=True))

    def _find_best(
        self,
        method: str,
        patterns: tuple[re.Pattern[str], ...],
        query: tuple[tuple[str, str], ...],
        headers: tuple[str, ...],
    ) -> Route | None:
        """Return the best route, given everything that distinguishes routes."""
        best: tuple[tuple[int, int, int], Route] | None = None
        for route in self._routes.get(method, ()):
            score = route.score(dict(query), headers) if route.pattern in patterns else None
            if score is not None and (best is None or score > best[0]):
                best = score, route
        return None if best is None else best[1]


@cache
def _router(service_name: str) -> Router:
    service = load_service(service_name)
    assert service is not None
    return Router(service)


def _route(operation: OperationModel) -> Route:
    template, _, query = operation.http["requestUri"].partition("?")
    path = template.rstrip("/")
    pattern = "".join(
        re.escape(part) if index % 2 == 0 else ("(.+)" if part.endswith("+") else "([^/]+)")
        for index, part in enumerate(_LABEL.split(path))
    )
    shape = operation.input_shape
    required = [(name, shape.members[name]) for name in shape.required_members] if shape else []
    return Route(
        operation.name,
        re.compile(pattern + "/?", re.DOTALL),
        tuple(label.rstrip("+") for label in _LABEL.findall(path)),
        sum("{" not in segment for segment in path.split("/")),
        tuple((pair.partition("=")[0], pair.partition("=")[2] or None) for pair in query.split("&") if pair),
        tuple(_bound_name(name, member) for name, member in required if _location(member) == "querystring"),
        tuple(_bound_name(name, member).lower() for name, member in required if _location(member) == "header"),
    )


def _location(member: Shape) -> str | None:
    return cast(str | None, member.serialization.get("location"))


def _bound_name(name: str, member: Shape) -> str:
    return cast(str, member.serialization.get("name", name))
