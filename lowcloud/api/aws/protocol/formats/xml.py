"""XML bodies: input and output of rest-xml, output of the query protocol."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast
from xml.parsers import expat

from botocore.model import ListShape, MapShape, Shape, StructureShape

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import scalars

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
MAX_DEPTH = 64
MAX_CHILDREN = 1001  # of an element: 1,000 items, the maximum of almost every list, and one flag beside them
MAX_ELEMENTS = 150_000  # of a document
BOUND = ("header", "headers", "statusCode")  # locations of output members outside the body
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        **{chr(code): f"&#x{code:X};" for code in range(32) if code not in (9, 10)},
        "\x85": "&#x85;",
        "\u2028": "&#x2028;",
    }
)


@dataclass(slots=True)
class Element:
    """An element; namespace prefixes of names are dropped, since the models do not use namespaces."""

    name: str
    attributes: dict[str, str]  # with prefixes: "xsi:type"
    children: list["Element"] = field(default_factory=list)
    text: str = ""


class MalformedXmlError(AwsError):
    """The body is not the expected XML document."""

    def __init__(self, reason: str):
        super().__init__(
            "MalformedXML",
            f"The XML you provided was not well-formed or did not validate against our published schema: {reason}"[
                :256
            ],
        )


def loads(body: bytes, max_children: int = MAX_CHILDREN) -> Element:
    """Parse a document and return its root. DTDs, and so all entities, are refused. Raises MalformedXmlError.

    A document that exceeds a limit is refused where it does, before the rest is parsed.
    """
    builder = _TreeBuilder(max_children)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise MalformedXmlError(f"{error}.") from error
    return builder.root.children[0]


class _TreeBuilder:
    """Builds elements from the events of a parser. Its functions raise MalformedXmlError."""

    def __init__(self, max_children: int):
        self.root = Element("", {})
        self._max_children = max_children
        self._open: list[tuple[Element, list[str]]] = [(self.root, [])]  # with the pieces of their texts
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        parent, _ = self._open[-1]
        self._count += 1
        if len(self._open) > MAX_DEPTH:
            raise MalformedXmlError("nested too deeply.")
        if len(parent.children) == self._max_children:
            raise MalformedXmlError(f"{parent.name[:64]} has more than {self._max_children} elements.")
        if self._count > MAX_ELEMENTS:
            raise MalformedXmlError(f"more than {MAX_ELEMENTS} elements.")
        element = Element(name.rpartition(":")[2], attributes)
        parent.children.append(element)
        self._open.append((element, []))

    def end(self, _name: str) -> None:
        """Close the innermost element."""
        element, pieces = self._open.pop()
        element.text = "".join(pieces)

    def text(self, data: str) -> None:
        """Add a piece of the innermost element's text."""
        self._open[-1][1].append(data)


def parse(shape: Shape, element: Element) -> Any:
    """Parse a value of the shape's type. Raises MalformedXmlError and WireError."""
    parser = _PARSERS.get(shape.type_name)
    if parser is not None:
        return parser(shape, element)
    return scalars.parse_text(shape, element.text, scalars.XML_FORMAT)


def parse_structure(shape: StructureShape, element: Element) -> dict[str, Any]:
    """Parse the members of an element: its children, and its attributes if the model says so."""
    by_name: dict[str, list[Element]] = {}
    for child in element.children:
        by_name.setdefault(child.name, []).append(child)
    members = {}
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute"):
            found = element.attributes.get(member.serialization["name"])
            if found is not None:
                members[name] = scalars.parse_text(member, found, scalars.XML_FORMAT)
        else:
            elements = next((by_name[known] for known in element_names(name, member) if known in by_name), None)
            if elements is not None:
                members[name] = _parse_elements(member, elements)
    return members


def element_names(name: str, member: Shape) -> Iterator[str]:
    """Yield the names of a member's elements; a flattened list may also use the name of the list's member."""
    yield member.serialization.get("name", name)
    if member.serialization.get("flattened") and isinstance(member, ListShape):
        yield member.member.serialization.get("name", name)
    yield name


def render(shape: Shape, value: Any, name: str, namespace: str | None = None) -> str:
    """Serialise a value of the shape's type as an element."""
    if shape.type_name == "structure":
        inner = content(cast(StructureShape, shape), value)
    elif shape.type_name == "list":
        member = cast(ListShape, shape).member
        inner = "".join(render(member, item, member.serialization.get("name", "member")) for item in value)
    elif shape.type_name == "map":
        inner = "".join(_entry_element(cast(MapShape, shape), key, item, "entry") for key, item in value.items())
    else:
        inner = escape(scalars.format_text(shape, value, scalars.XML_FORMAT))
    return f"<{name}{_attributes(shape, value, namespace)}>{inner}</{name}>"


def escape(text: str) -> str:
    """Escape a text for an element or an attribute."""
    return text.translate(_ESCAPES)


def escape_message(text: str) -> str:
    """Escape the message of an error. The control characters that it quotes from a request are none of XML 1.0."""
    return escape(_CONTROLS.sub("\ufffd", text))


def content(shape: StructureShape, value: Mapping[str, Any]) -> str:
    """Serialise the children of a structure's element."""
    pieces = []
    for name, member in shape.members.items():
        item = value.get(name)
        if item is None or member.serialization.get("xmlAttribute") or member.serialization.get("location") in BOUND:
            continue
        if member.serialization.get("flattened"):
            pieces.append(_flattened(member, item, name))
        else:
            pieces.append(render(member, item, member.serialization.get("name", name)))
    return "".join(pieces)


def _parse_elements(member: Shape, elements: list[Element]) -> Any:
    """Parse a member; a flattened list or map has one element per item, others have one."""
    if member.serialization.get("flattened"):
        if isinstance(member, ListShape):
            return [parse(member.member, element) for element in scalars.cut_to_maximum(member, elements)]
        if isinstance(member, MapShape):
            return dict(_entry(member, element) for element in elements)
    return parse(member, elements[0])


def _parse_list(shape: ListShape, element: Element) -> list[Any]:
    name = shape.member.serialization.get("name", "member")
    return [parse(shape.member, child) for child in scalars.cut_to_maximum(shape, _named(element, name))]


def _named(element: Element, name: str) -> list[Element]:
    return [child for child in element.children if child.name == name]


def _parse_map(shape: MapShape, element: Element) -> dict[str, Any]:
    return dict(_entry(shape, child) for child in _named(element, "entry"))


def _entry(shape: MapShape, element: Element) -> tuple[str, Any]:
    found = {child.name: child for child in element.children}
    key_name, value_name = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    if key_name not in found or value_name not in found:
        raise MalformedXmlError(f"an entry of {element.name[:64]} must have {key_name} and {value_name}.")
    return found[key_name].text, parse(shape.value, found[value_name])


_PARSERS: dict[str, Callable[[Any, Element], Any]] = {
    "structure": parse_structure,
    "list": _parse_list,
    "map": _parse_map,
}


def _flattened(shape: Shape, value: Any, name: str) -> str:
    name = shape.serialization.get("name", name)
    if isinstance(shape, ListShape):
        return "".join(render(shape.member, item, name) for item in value)
    assert isinstance(shape, MapShape)
    return "".join(_entry_element(shape, key, item, name) for key, item in value.items())


def _entry_element(shape: MapShape, key: str, value: Any, name: str) -> str:
    key_element = render(shape.key, key, shape.key.serialization.get("name", "key"))
    return f"<{name}>{key_element}{render(shape.value, value, shape.value.serialization.get('name', 'value'))}</{name}>"


def _attributes(shape: Shape, value: Any, namespace: str | None) -> str:
    """Return the namespace declaration of an element, and the members that are attributes."""
    declared = shape.serialization.get("xmlNamespace")
    text = ""
    if isinstance(declared, dict):
        prefix = declared.get("prefix")
        text = f' xmlns{":" + prefix if prefix else ""}="{escape(declared["uri"])}"'
    elif namespace:
        text = f' xmlns="{escape(namespace)}"'
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if member.serialization.get("xmlAttribute") and value.get(name) is not None:
                attribute = member.serialization["name"]
                text += f' {attribute}="{escape(scalars.format_text(member, value[name], scalars.XML_FORMAT))}"'
    return text


def _refuse_doctype(*_declaration: Any) -> NoReturn:
    raise MalformedXmlError("document types are not accepted.")
