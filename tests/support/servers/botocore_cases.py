"""botocore's protocol test cases, prepared for a server: requests to parse, and outputs to serialise."""

import base64
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.model import OperationModel, ServiceModel, Shape

from lowcloud.api.aws.protocol.formats.scalars import format_float
from lowcloud.api.aws.protocol.service_models import Service

DATA = Path(os.environ.get("LOWCLOUD_TEST_DATA") or Path(__file__).parents[3].parent / "shared" / "data") / "botocore"
WHY_SKIPPED = f"botocore's cases are not at {DATA}; set LOWCLOUD_TEST_DATA"


@dataclass(frozen=True)
class Case:
    """One case of a suite, with the model of the suite's service."""

    id: str
    protocol: str
    service: Service
    operation: OperationModel
    content: dict[str, Any]


def read_cases(direction: str) -> Iterator[Case]:
    """Return every case of a direction, "input" or "output", or None if the data is not installed."""
    for path in sorted((DATA / "protocols" / direction).glob("*.json")):
        for suite in json.loads(path.read_text()):
            for content in suite["cases"]:
                yield _case(path.stem, suite, content)


def _case(source: str, suite: dict[str, Any], content: dict[str, Any]) -> Case:
    name = content["given"]["name"]
    if suite["metadata"]["protocol"] == "query" and "output" in content["given"]:
        content["given"]["output"]["resultWrapper"] = f"{name}Result"  # as every model of a query service has it
    description = {"metadata": suite["metadata"], "operations": {name: content["given"]}, "shapes": suite["shapes"]}
    model = ServiceModel(description, "protocol-tests")
    protocol = suite["metadata"]["protocol"]
    return Case(f"{source}-{content['id']}", protocol, Service(source, model), model.operation_model(name), content)


def to_python(shape: Shape, value: Any) -> Any:
    """Convert a value of a case to Lowcloud's types: datetimes, bytes, floats."""
    if value is None:
        return None
    if shape.type_name == "structure" and not shape.is_document_type:
        return {name: to_python(shape.members[name], item) for name, item in value.items() if item is not None}
    if shape.type_name == "list":
        return [to_python(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: to_python(shape.value, item) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    if shape.serialization.get("jsonvalue"):
        return json.loads(value)
    if shape.type_name == "blob" and isinstance(value, str):
        return value.encode()
    if shape.type_name in ("float", "double"):
        return float(str(value).replace("Infinity", "inf"))
    return value


def comparable(value: Any) -> Any:
    """Normalise a value for comparison: NaN equals itself, streams are read, texts of bytes are bytes."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return format_float(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if hasattr(value, "read"):
        return value.read()
    return value


def body_of(case: Case, text: str) -> bytes:
    """Return the bytes of a body; CBOR bodies are in base64."""
    return base64.b64decode(text) if "cbor" in case.protocol else text.encode()
