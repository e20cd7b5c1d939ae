"""Property names of Search, resolved against botocore's shapes into functions that read documents.

Names of members are case-insensitive. The name of a map is followed by one of its keys, which may contain dots; Tags is
followed by the key of a tag, and a list of metrics by the name of a metric, optionally with a statistic.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.services.sagemaker.errors import invalid
from lowcloud.core.search import Document, Read, Value, values_at

# Lists whose elements are found by a key: the member that holds the key, and the member that is read.
KEYED = {
    "Tag": ("Key", "Value"),
    "MetricData": ("MetricName", "Value"),
    "TrialComponentMetricSummary": ("MetricName", "Last"),
}
ALIASES = {("TrainingJob", "metrics"): "FinalMetricDataList"}  # AWS documents it under another name
STATISTICS = {name.lower(): name for name in ("Min", "Max", "Avg", "StdDev", "Count", "Last")}
MAYBE_NUMERIC = ("hyperparameters", "parameters", "environment")  # maps whose text may be compared as numbers


def reader(shape: Shape, name: str) -> Read:
    """Return a function that reads a property from documents of a shape. Raises AwsError for an unknown name."""
    head, dot, rest = name.partition(".")
    alias = ALIASES.get((shape.name, head.lower()))
    read = _reader(shape, f"{alias}{dot}{rest}" if alias else name)
    if read is None:
        raise unknown(shape, name)
    return read


def elements(shape: Shape, name: str) -> tuple[Shape, Callable[[Document], Iterable[Document]]]:
    """Return the shape of the elements of a list of structures, and a function that reads them. Raises AwsError."""
    path: list[str] = []
    found: Any = shape
    for part in name.split("."):
        member = _member(found, part)
        if member is None:
            raise unknown(shape, name)
        path.append(member)
        found = found.members[member]
    if not isinstance(found, ListShape) or not isinstance(found.member, StructureShape):
        raise invalid(f"{name} is not a list of objects, so NestedFilters cannot be used on it.")
    return found.member, lambda document: _descend(document, path)


def is_maybe_numeric(name: str) -> bool:
    """Return whether text of this property that is a number is compared as a number."""
    return name.partition(".")[0].lower() in MAYBE_NUMERIC


def unknown(shape: Shape, name: str) -> AwsError:
    """Return the error for a name that is not a property."""
    known = ", ".join(sorted(shape.members)) if isinstance(shape, StructureShape) else ""
    return invalid(f"Unknown property name: {name}. The properties are {known}, and what they hold (after a dot).")


def _reader(shape: Shape, path: str) -> Read | None:
    if not path:
        return lambda document: values_at(document, ())
    if isinstance(shape, StructureShape):
        return _reader_of_structure(shape, path)
    if isinstance(shape, ListShape):
        return _reader_of_list(shape, path)
    if isinstance(shape, MapShape):
        return _reader_of_map(shape, path)
    return None


def _reader_of_structure(shape: StructureShape, path: str) -> Read | None:
    head, _, rest = path.partition(".")
    member = _member(shape, head)
    inner = _reader(shape.members[member], rest) if member else None
    if member is None or inner is None:
        return None

    def read(document: Any) -> Iterable[Value]:
        held = document.get(member)
        return () if held is None else inner(held)

    return read


def _reader_of_list(shape: ListShape, path: str) -> Read | None:
    element = shape.member
    if element.name in KEYED and _member(element, path) is None:
        return _reader_by_key(element, path)
    inner = _reader(element, path)
    if inner is None:
        return None
    return lambda document: (value for one in document for value in inner(one))  # type: ignore[arg-type]


def _reader_by_key(element: StructureShape, path: str) -> Read:
    key, member = KEYED[element.name]
    rest, _, last = path.rpartition(".")
    named = path
    if member == "Last" and rest and last.lower() in STATISTICS:
        named, member = rest, STATISTICS[last.lower()]

    def read(document: Any) -> Iterable[Value]:
        return (one[member] for one in document if one[key] == named and one.get(member) is not None)

    return read


def _reader_of_map(shape: MapShape, path: str) -> Read | None:
    rest, _, last = path.rpartition(".")
    member = _member(shape.value, last) if rest else None

    def read(document: Any) -> Iterable[Value]:
        if member is not None and (held := _held(document, rest)) is not None:
            return values_at(held, (member,))
        held = _held(document, path)
        return () if held is None else _values(held)

    return read


def _held(document: Mapping[str, Any], key: str) -> Any:
    if key in document:
        return document[key]
    return next((value for name, value in document.items() if name.lower() == key.lower()), None)


def _values(held: Any) -> Iterable[Value]:
    """Yield the value of a parameter, its only member, or of an artifact, its Value."""
    if isinstance(held, Mapping):
        return values_at(held, ("Value",)) if "Value" in held else held.values()
    return values_at(held, ())


def _member(shape: Shape, name: str) -> str | None:
    if not isinstance(shape, StructureShape):
        return None
    return next((member for member in shape.members if member.lower() == name.lower()), None)


def _descend(document: Document, path: list[str]) -> Iterable[Document]:
    held: Any = document
    for name in path:
        held = held.get(name) or {}
    return tuple(held)
