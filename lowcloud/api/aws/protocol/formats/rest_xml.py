"""Documents of rest-xml, and the registry of services that deviate from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import OperationModel, Shape, StructureShape

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import query, rest, xml
from lowcloud.api.http.messages import HttpRequest


@dataclass(frozen=True)
class RestFormat:
    """How a service with a REST protocol parses what is not in the body, and renders documents of XML."""

    parse_bindings: Callable[[OperationModel, HttpRequest, Mapping[str, str]], dict[str, Any]]
    render_output: Callable[[OperationModel, StructureShape, Mapping[str, Any]], str]
    render_error: Callable[[AwsError, Shape | None, str | None, str], bytes]  # with namespace and request id
    max_children: Mapping[str, int] = field(default_factory=dict)  # of an element, by operation, if not the usual


def render_output(operation: OperationModel, shape: StructureShape, output: Mapping[str, Any]) -> str:
    """Return the document of an output."""
    namespace = operation.service_model.metadata.get("xmlNamespace")
    return xml.DECLARATION + xml.render(shape, output, shape.serialization.get("name", shape.name), namespace)


STANDARD = RestFormat(rest.parse_bindings, render_output, query.render_error)
_DEVIATIONS: dict[str, RestFormat] = {}  # by service


def register_format(service: str, deviation: RestFormat) -> None:
    """Register how a service, by botocore's name of it, deviates from the protocol."""
    assert service not in _DEVIATIONS, f"{service} has two formats"
    _DEVIATIONS[service] = deviation


def format_of(service: str) -> RestFormat:
    """Return the format that a service has registered, or the standard one."""
    return _DEVIATIONS.get(service, STANDARD)
