"""botocore's service models, the specification of every service, operation and shape. Loaded on first use."""

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

API = Path(__file__).with_name("models")  # the model of Lowcloud's own service, in botocore's layout

_LOADER = Loader(extra_search_paths=[str(API)])
_SERVICES: dict[str, "Service | None"] = {}
_LOADING = threading.Lock()


@dataclass(frozen=True)
class Service:
    """A service, by botocore's name."""

    name: str
    model: ServiceModel

    @cached_property
    def operations(self) -> frozenset[str]:
        return frozenset(self.model.operation_names)

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """The supported protocols: json, rest-json, rest-xml, query, smithy-rpc-v2-cbor, ec2."""
        return tuple(self.model.metadata.get("protocols") or (self.model.metadata["protocol"],))

    @cached_property
    def is_query_compatible(self) -> bool:
        return "awsQueryCompatible" in self.model.metadata

    @cached_property
    def xml_namespace(self) -> str | None:
        namespace: str | None = self.model.metadata.get("xmlNamespace")
        return namespace

    @cached_property
    def error_shapes(self) -> dict[str, Shape]:
        """Error shapes by their name and by their error code."""
        shapes = {}
        for shape in self.model.error_shapes:
            shapes[shape.name] = shape
            shapes[shape.metadata.get("error", {}).get("code", shape.name)] = shape
        return shapes

    def operation(self, name: str) -> OperationModel:
        return self.model.operation_model(name)


def load_service(name: str) -> Service | None:
    """Return the service with this name, or None if botocore does not know it."""
    if name not in _SERVICES:
        with _LOADING:
            if name not in _SERVICES:
                _SERVICES[name] = _load(name)
    return _SERVICES[name]


def _load(name: str) -> Service | None:
    if name not in _LOADER.list_available_services("service-2"):
        return None
    return Service(name, ServiceModel(_LOADER.load_service_model(name, "service-2"), name))
