"""Every member of every performed operation's request is read, refused or listed as ignored."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType

import botocore
import pytest
from botocore.model import Shape

from lowcloud.api.aws.operations import Operation
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.services import OPERATIONS

PAGE = Path(__file__).parents[3] / "docs" / "COMPATIBILITY.md"
DEPTH = 4
WORD = re.compile(r"\w{3,}")
READ_BY_THE_GATEWAY = ("ContentLength", "ContentMD5", "ChecksumAlgorithm")  # the latter of documents


@pytest.mark.parametrize(
    "operation", OPERATIONS.values(), ids=lambda operation: f"{operation.service}.{operation.name}"
)
def test_no_member_of_a_request_is_passed_over_in_silence(operation: Operation) -> None:
    service = load_service(operation.service)
    assert service is not None
    shape = service.operation(operation.name).input_shape
    function = inspect.unwrap(operation.function)
    module = inspect.getmodule(function.func if isinstance(function, partial) else function)
    assert module is not None
    read = words(module)
    silent = [
        ".".join(path)
        for path in (members(shape, (), ()) if shape else ())
        if not is_listed(operation, path)
        and path[-1] not in READ_BY_THE_GATEWAY
        and not any(pattern.fullmatch(path[-1]) for pattern in read)
    ]
    if silent and version(botocore.__version__) > version(known_version()):
        pytest.skip(f"botocore {botocore.__version__} has members that {known_version()} had not: {silent}")
    assert not silent, f"Read, refuse or ignore them, and run scripts/compatibility: {silent}"


def test_a_member_that_no_code_mentions_is_noticed() -> None:
    module = importlib.import_module("lowcloud.api.aws.services.sts.tokens")
    assert not any(pattern.fullmatch("SerialNumber") for pattern in words(module)), "named in a decorator alone"
    assert not any(pattern.fullmatch("Credentials") for pattern in words(module)), "a member of an answer"
    assert any(pattern.fullmatch("DurationSeconds") for pattern in words(module))


def known_version() -> str:
    """The version of botocore whose models were looked through: a newer one must not fail anybody's checks."""
    found = re.search(r"Against the models of botocore (\S+)\.", PAGE.read_text())
    assert found is not None
    return found[1]


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))


def members(shape: Shape, path: tuple[str, ...], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths of a shape's members, down to DEPTH; a list is as its items are."""
    if shape.type_name == "list":
        yield from members(shape.member, path, above)
    elif shape.type_name == "structure" and shape.name not in above and len(path) < DEPTH:
        for name, member in shape.members.items():
            yield (*path, name)
            yield from members(member, (*path, name), (*above, shape.name))


def is_listed(operation: Operation, path: tuple[str, ...]) -> bool:
    """Whether the member or one above it is refused or ignored; one with some refused values counts as read."""
    listed = [tuple(name.partition("=")[0].split(".")) for name in operation.refused + operation.ignored]
    return any(path[: len(name)] == name for name in listed)


@cache
def words(module: ModuleType) -> tuple[re.Pattern[str], ...]:
    """The texts by which a module may read members: its own, those it uses, those lineage modules share."""
    used = _used(module)
    sources = [module, *used, *(each for one in used if "sagemaker.lineage" in one.__name__ for each in _used(one))]
    return tuple({pattern for source in dict.fromkeys(sources) for pattern in _words(inspect.getsource(source))})


def _used(module: ModuleType) -> list[ModuleType]:
    return [value for value in map(_home, vars(module).values()) if value is not None]


def _home(value: object) -> ModuleType | None:
    module = inspect.getmodule(value)
    return module if module is not None and module.__name__.startswith("lowcloud.api.aws.") else None


def _words(source: str) -> Iterator[re.Pattern[str]]:
    tree = ast.parse(source)
    decorators = [
        each
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for each in node.decorator_list
    ]
    named = {node.id for each in decorators for node in ast.walk(each) if isinstance(node, ast.Name)}
    passed = set(map(id, decorators))
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and {getattr(target, "id", "") for target in statement.targets} & named:
            passed.add(id(statement))
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):  # the keys of a dict in it are an answer's
            passed |= {id(key) for node in ast.walk(statement) if isinstance(node, ast.Dict) for key in node.keys}
    yield from _patterns(tree, passed)


def _patterns(node: ast.AST, passed: set[int]) -> Iterator[re.Pattern[str]]:
    if id(node) in passed:
        return
    if isinstance(node, ast.JoinedStr):
        parts = [re.escape(part.value) if isinstance(part, ast.Constant) else r"\w*" for part in node.values]
        if any(isinstance(part, ast.Constant) and WORD.fullmatch(part.value) for part in node.values):
            yield re.compile("".join(parts))
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.compile(re.escape(node.value))
    for child in ast.iter_child_nodes(node):
        yield from _patterns(child, passed)
