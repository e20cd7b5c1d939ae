"""Expressions over columns, such as `ratio = debt / income`: read into a tree, never evaluated as code.

expression  sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
sum         product {("+" | "-") product}
product     unary {("*" | "/") unary}
unary       "-" unary | atom ["**" unary]
atom        number | text in quotes | column | `any column` | "(" expression ")" | call
call        function "(" [expression {"," expression}] ")"
"""

import re
from dataclasses import dataclass
from math import inf

LENGTH = 1000  # characters of one expression
DEPTH = 40  # parentheses and signs within each other

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|`(?P<quoted>[^`]+)`"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign>\*\*|[<>=!]=|[-+*/(),<>]))",
)
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
FUNCTIONS = {  # name: (fewest arguments, most, what it gives)
    "abs": (1, 1, "absolute value"),
    "bin": (2, inf, "how many of the rising edges after the first argument are at most it: bin(age, 18, 65)"),
    "ceil": (1, 1, "rounded up"),
    "cos": (1, 1, "cosine"),
    "day": (1, 1, "day of the month of a time"),
    "days": (1, 1, "days since 1970-01-01 of a time, with fractions"),
    "exp": (1, 1, "exponential"),
    "floor": (1, 1, "rounded down"),
    "hour": (1, 1, "hour of a time"),
    "if": (3, 3, "the second argument where the first is not 0, else the third"),
    "length": (1, 1, "characters of a text"),
    "log": (1, 1, "natural logarithm"),
    "log10": (1, 1, "decimal logarithm"),
    "log1p": (1, 1, "natural logarithm of 1 + x"),
    "max": (2, inf, "the largest"),
    "min": (2, inf, "the smallest"),
    "minute": (1, 1, "minute of a time"),
    "missing": (1, 1, "1 where there is no value, else 0"),
    "month": (1, 1, "month of a time, 1 to 12"),
    "quantile_bin": (2, 2, "bins of equal numbers of training rows: quantile_bin(income, 10)"),
    "round": (1, 1, "rounded, halves to even"),
    "sin": (1, 1, "sine"),
    "sqrt": (1, 1, "square root"),
    "tanh": (1, 1, "hyperbolic tangent"),
    "weekday": (1, 1, "weekday of a time, Monday is 0"),
    "year": (1, 1, "year of a time"),
    "yearday": (1, 1, "day of the year of a time, from 1"),
}


class InvalidExpressionError(ValueError):
    """A text is not an expression; the message says where and what was expected."""


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Text:
    value: str


@dataclass(frozen=True)
class Column:
    name: str


@dataclass(frozen=True)
class Call:
    """A function or an operator and what it is applied to."""

    name: str
    arguments: "tuple[Node, ...]"


Node = Number | Text | Column | Call


def read_assignments(text: str) -> dict[str, Node]:
    """{new column: tree} of "ratio = a / b; lg = log(a)". Raises InvalidExpressionError."""
    found: dict[str, Node] = {}
    for part in filter(str.strip, text.split(";")):
        name, equals, expression = part.partition("=")
        name = name.strip().strip("`")
        if not equals or not name or expression.startswith("="):
            raise InvalidExpressionError(f"{part.strip()!r} is not like name = expression.")
        if name in found:
            raise InvalidExpressionError(f"{name} is derived twice.")
        found[name] = read(expression)
    return found


def read(text: str) -> Node:
    """The tree of one expression. Raises InvalidExpressionError."""
    if len(text) > LENGTH:
        raise InvalidExpressionError(f"An expression may have {LENGTH} characters.")
    reader = _Reader(_tokens(text), text.strip())
    node = reader.expression()
    reader.expect("end")
    return node


def write(node: Node) -> str:
    """A text that `read` makes the same tree of."""
    if isinstance(node, Number):
        return repr(node.value) if node.value >= 0 else f"({node.value!r})"
    if isinstance(node, Text):
        return f"'{node.value}'" if '"' in node.value else f'"{node.value}"'
    if isinstance(node, Column):
        return f"`{node.name}`"
    if node.name in FUNCTIONS:
        return f"{node.name}({', '.join(map(write, node.arguments))})"
    if len(node.arguments) == 1:
        return f"(-{write(node.arguments[0])})"
    return f"({f' {node.name} '.join(map(write, node.arguments))})"


def columns_of(node: Node) -> set[str]:
    """The columns that an expression reads."""
    if isinstance(node, Column):
        return {node.name}
    return set().union(*map(columns_of, node.arguments)) if isinstance(node, Call) else set()


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise InvalidExpressionError(f"{text!r}: {text[place : place + 10]!r} cannot be read.")
        kind = str(match.lastgroup)
        found.append((match[kind], kind) if kind != "sign" else (match[kind], match[kind]))
        place = match.end()
    return [*found, ("", "end")]


class _Reader:
    """Recursive descent over the tokens (text, kind)."""

    def __init__(self, tokens: list[tuple[str, str]], text: str):
        self._tokens = tokens
        self._text = text
        self._place = 0
        self._depth = 0

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH:
            raise InvalidExpressionError(f"{self._text[:40]!r} is nested more than {DEPTH} deep.")
        left = self._sum()
        if self._kind in COMPARISONS:
            left = Call(self._take()[0], (left, self._sum()))
        self._depth -= 1
        return left

    def expect(self, kind: str) -> str:
        text, found = self._tokens[self._place]
        if found != kind:
            wanted = "the end" if kind == "end" else repr(kind)
            raise InvalidExpressionError(f"{self._text!r}: {wanted} was expected, not {text or 'the end'!r}.")
        self._place += 1
        return text

    @property
    def _kind(self) -> str:
        return self._tokens[self._place][1]

    def _take(self) -> tuple[str, str]:
        self._place += 1
        return self._tokens[self._place - 1]

    def _sum(self) -> Node:
        node = self._product()
        while self._kind in ("+", "-"):
            node = Call(self._take()[0], (node, self._product()))
        return node

    def _product(self) -> Node:
        node = self._unary()
        while self._kind in ("*", "/"):
            node = Call(self._take()[0], (node, self._unary()))
        return node

    def _unary(self) -> Node:
        signs = 0
        while self._kind == "-":
            self._take()
            signs += 1
        node = self._atom()
        if self._kind == "**":
            self._take()
            self._depth += 1
            if self._depth > DEPTH:
                raise InvalidExpressionError(f"{self._text[:40]!r} is nested more than {DEPTH} deep.")
            node = Call("**", (node, self._unary()))
            self._depth -= 1
        if not signs % 2:
            return node
        return Number(-node.value) if isinstance(node, Number) else Call("-", (node,))

    def _atom(self) -> Node:
        text, kind = self._take()
        if kind == "number":
            return self._number(text)
        if kind == "text":
            return Text(text[1:-1])
        if kind == "quoted":
            return Column(text)
        if kind == "name":
            return self._call(text) if self._kind == "(" else Column(text)
        if kind == "(":
            node = self.expression()
            self.expect(")")
            return node
        raise InvalidExpressionError(
            f"{self._text!r}: a column, a number or ( was expected, not {text or 'the end'!r}."
        )

    def _number(self, text: str) -> Node:
        if float(text) == inf:
            raise InvalidExpressionError(f"{text} is too large.")
        return Number(float(text))

    def _call(self, name: str) -> Node:
        if name not in FUNCTIONS:
            raise InvalidExpressionError(f"{name} is no function; there are {', '.join(FUNCTIONS)}.")
        self.expect("(")
        arguments = [] if self._kind == ")" else [self.expression()]
        while self._kind == ",":
            self._take()
            arguments.append(self.expression())
        self.expect(")")
        fewest, most, _ = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            count = f"{fewest}" if fewest == most else f"at least {fewest}"
            raise InvalidExpressionError(f"{name} takes {count} arguments, not {len(arguments)}.")
        return Call(name, tuple(arguments))
