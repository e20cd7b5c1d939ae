"""The query protocol: forms with dotted names as input, XML as output."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import scalars, xml

MAX_DEPTH = 64


@dataclass(slots=True)
class Node:
    """The value and the children of a dotted name in a form."""

    value: str | None = None
    children: dict[str, "Node"] = field(default_factory=dict)


def loads(pairs: Iterable[tuple[str, str]]) -> Node:
    """Return the tree of a form. Raises AwsError if it is nested too deeply or has too many parameters."""
    root = Node()
    for count, (name, value) in enumerate(pairs, 1):
        if count > scalars.MAX_ITEMS:
            raise AwsError("MalformedQueryString", f"The form has more than {scalars.MAX_ITEMS} parameters.", 404)
        segments = name.split(".")
        if len(segments) > MAX_DEPTH:
            raise AwsError("MalformedQueryString", f"The parameter {name[:64]} is nested too deeply.", 404)
        node = root
        for segment in segments:
            node = node.children.setdefault(segment, Node())
        node.value = value
    return root


def parse(shape: Shape, node: Node) -> Any:
    """Parse a value of the shape's type. Raises WireError and AwsError."""
    if shape.type_name == "structure":
        return parse_structure(cast(StructureShape, shape), node)
    if shape.type_name == "list":
        return _parse_list(cast(ListShape, shape), node)
    if shape.type_name == "map":
        return _parse_map(cast(MapShape, shape), node)
    return scalars.parse_text(shape, node.value or "")


def parse_structure(shape: StructureShape, node: Node) -> dict[str, Any]:
    """Parse the members that the form has."""
    members = {}
    for name, member in shape.members.items():
        for known in xml.element_names(name, member):
            if known in node.children:
                members[name] = parse(member, node.children[known])
                break
    return members


def render_output(
    operation: OperationModel, output: Mapping[str, Any], namespace: str | None, request_id: str
) -> bytes:
    """Return the document of an output."""
    shape = operation.output_shape
    parts = [f"<{operation.name}Response"]
    parts.append(f' xmlns="{xml.escape(namespace)}">' if namespace else ">")
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        parts.append(f"<{wrapper}>{xml.content(shape, output)}</{wrapper}>")
    parts.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>")
    return (xml.DECLARATION + "".join(parts)).encode()


def render_error(error: AwsError, shape: Shape | None, namespace: str | None, request_id: str) -> bytes:
    """Return the document of an error."""
    fault = "Sender" if error.status < 500 else "Receiver"
    opening = f' xmlns="{xml.escape(namespace)}"' if namespace else ""
    fields = {name: value for name, value in error.fields.items() if name.lower() != "message"}
    members = xml.content(shape, fields) if isinstance(shape, StructureShape) else ""
    return (
        f"{xml.DECLARATION}<ErrorResponse{opening}><Error><Type>{fault}</Type><Code>{xml.escape(error.code)}</Code>"
        f"<Message>{xml.escape_message(error.message)}</Message>{members}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _parse_list(shape: ListShape, node: Node) -> list[Any]:
    items = node
    if not shape.serialization.get("flattened"):
        items = node.children.get(shape.member.serialization.get("name", "member"), Node())
    return [parse(shape.member, item) for item in scalars.cut_to_maximum(shape, _in_order(items))]


def _parse_map(shape: MapShape, node: Node) -> dict[str, Any]:
    entries = node if shape.serialization.get("flattened") else node.children.get("entry", Node())
    key_name, value_name = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    found = {}
    for entry in _in_order(entries):
        key, value = entry.children.get(key_name), entry.children.get(value_name)
        if key is None or key.value is None or value is None:
            raise AwsError("MalformedInput", f"An entry of a map must have {key_name} and {value_name}.")
        found[key.value] = parse(shape.value, value)
    return found


def _in_order(node: Node) -> list[Node]:
    """Return the children numbered 1, 2, 3 ..., in any order in the form."""
    try:
        return [node.children[key] for key in sorted(node.children, key=_index)]
    except ValueError as error:
        raise AwsError("MalformedInput", "Items of a list must be numbered: NAME.member.1, NAME.member.2.") from error


def _index(text: str) -> int:
    if len(text) > 9 or not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text)
