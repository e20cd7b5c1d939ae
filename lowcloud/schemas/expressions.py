"""Expressions over columns, such as `ratio = debt / income`: parsed to a tree, never evaluated as code.

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

MAX_CHARACTERS = 1000  # of one expression
MAX_DEPTH = 40  # of nested parentheses and signs

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|`(?P<quoted>[^`]+)`"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign>\*\*|[<>=!]=|[-+*/(),<>]))",
)
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
FUNCTIONS = {  # name: (minimum number of arguments, maximum, result)
    "abs": (1, 1, "absolute value"),
    "bin": (2, inf, "number of the given increasing edges that are at most the first argument: bin(age, 18, 65)"),
    "ceil": (1, 1, "rounded up"),
    "cos": (1, 1, "cosine"),
    "day": (1, 1, "day of the month of a time"),
    "days": (1, 1, "days since 1970-01-01 of a time, with fractions"),
    "exp": (1, 1, "exponential"),
    "floor": (1, 1, "rounded down"),
    "hour": (1, 1, "hour of a time"),
    "if": (3, 3, "the second argument if the first is not 0, otherwise the third"),
    "length": (1, 1, "characters of a text"),
    "log": (1, 1, "natural logarithm"),
    "log10": (1, 1, "decimal logarithm"),
    "log1p": (1, 1, "natural logarithm of 1 + x"),
    "max": (2, inf, "the largest"),
    "min": (2, inf, "the smallest"),
    "minute": (1, 1, "minute of a time"),
    "missing": (1, 1, "1 if there is no value, otherwise 0"),
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
    """A text is not a valid expression; the message says where and what was expected."""


@dataclass(frozen=True)
class NumberLiteral:
    value: float


@dataclass(frozen=True)
class TextLiteral:
    value: str


@dataclass(frozen=True)
class ColumnReference:
    name: str


@dataclass(frozen=True)
class Call:
    """A function or an operator with its arguments."""

    name: str
    arguments: "tuple[Expression, ...]"


Expression = NumberLiteral | TextLiteral | ColumnReference | Call


def parse_assignments(text: str) -> dict[str, Expression]:
    """Parse "ratio = a / b; lg = log(a)" to {new column: tree}. Raises InvalidExpressionError."""
    found: dict[str, Expression] = {}
    for part in filter(str.strip, text.split(";")):
        name, equals, expression = part.partition("=")
        name = name.strip().strip("`")
        if not equals or not name or expression.startswith("="):
            raise InvalidExpressionError(f"{part.strip()!r} does not have the form name = expression.")
        if name in found:
            raise InvalidExpressionError(f"{name} is derived twice.")
        found[name] = parse(expression)
    return found


def parse(text: str) -> Expression:
    """Parse one expression to a tree. Raises InvalidExpressionError."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidExpressionError(f"An expression may have at most {MAX_CHARACTERS} characters.")
    parser = _Parser(_tokens(text), text.strip())
    node = parser.expression()
    parser.expect("end")
    return node


def format_expression(node: Expression) -> str:
    """Return a text that `read` parses to the same tree."""
    if isinstance(node, NumberLiteral):
        return repr(node.value) if node.value >= 0 else f"({node.value!r})"
    if isinstance(node, TextLiteral):
        return f"'{node.value}'" if '"' in node.value else f'"{node.value}"'
    if isinstance(node, ColumnReference):
        return f"`{node.name}`"
    if node.name in FUNCTIONS:
        return f"{node.name}({', '.join(map(format_expression, node.arguments))})"
    if len(node.arguments) == 1:
        return f"(-{format_expression(node.arguments[0])})"
    return f"({f' {node.name} '.join(map(format_expression, node.arguments))})"


def columns_of(node: Expression) -> set[str]:
    """Return the columns that an expression uses."""
    if isinstance(node, ColumnReference):
        return {node.name}
    return set().union(*map(columns_of, node.arguments)) if isinstance(node, Call) else set()


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = text.strip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise InvalidExpressionError(f"{text!r}: {text[position : position + 10]!r} is invalid.")
        kind = str(match.lastgroup)
        found.append((match[kind], kind) if kind != "sign" else (match[kind], match[kind]))
        position = match.end()
    return [*found, ("", "end")]


class _Parser:
    """A recursive descent parser of tokens (text, kind)."""

    def __init__(self, tokens: list[tuple[str, str]], text: str):
        self._tokens = tokens
        self._text = text
        self._position = 0
        self._depth = 0

    def expression(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidExpressionError(f"{self._text[:40]!r} is nested more than {MAX_DEPTH} deep.")
        left = self._sum()
        if self._kind in COMPARISONS:
            left = Call(self._next()[0], (left, self._sum()))
        self._depth -= 1
        return left

    def expect(self, kind: str) -> str:
        text, found = self._tokens[self._position]
        if found != kind:
            expected = "the end" if kind == "end" else repr(kind)
            raise InvalidExpressionError(f"{self._text!r}: {expected} was expected, not {text or 'the end'!r}.")
        self._position += 1
        return text

    @property
    def _kind(self) -> str:
        return self._tokens[self._position][1]

    def _next(self) -> tuple[str, str]:
        self._position += 1
        return self._tokens[self._position - 1]

    def _sum(self) -> Expression:
        node = self._product()
        while self._kind in ("+", "-"):
            node = Call(self._next()[0], (node, self._product()))
        return node

    def _product(self) -> Expression:
        node = self._unary()
        while self._kind in ("*", "/"):
            node = Call(self._next()[0], (node, self._unary()))
        return node

    def _unary(self) -> Expression:
        signs = 0
        while self._kind == "-":
            self._next()
            signs += 1
        node = self._atom()
        if self._kind == "**":
            self._next()
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise InvalidExpressionError(f"{self._text[:40]!r} is nested more than {MAX_DEPTH} deep.")
            node = Call("**", (node, self._unary()))
            self._depth -= 1
        if not signs % 2:
            return node
        return NumberLiteral(-node.value) if isinstance(node, NumberLiteral) else Call("-", (node,))

    def _atom(self) -> Expression:
        text, kind = self._next()
        if kind == "number":
            return self._number(text)
        if kind == "text":
            return TextLiteral(text[1:-1])
        if kind == "quoted":
            return ColumnReference(text)
        if kind == "name":
            return self._call(text) if self._kind == "(" else ColumnReference(text)
        if kind == "(":
            node = self.expression()
            self.expect(")")
            return node
        raise InvalidExpressionError(
            f"{self._text!r}: a column, a number or ( was expected, not {text or 'the end'!r}."
        )

    def _number(self, text: str) -> Expression:
        if float(text) == inf:
            raise InvalidExpressionError(f"{text} is too large.")
        return NumberLiteral(float(text))

    def _call(self, name: str) -> Expression:
        if name not in FUNCTIONS:
            raise InvalidExpressionError(f"{name} is not a function; the functions are {', '.join(FUNCTIONS)}.")
        self.expect("(")
        arguments = [] if self._kind == ")" else [self.expression()]
        while self._kind == ",":
            self._next()
            arguments.append(self.expression())
        self.expect(")")
        minimum, maximum, _ = FUNCTIONS[name]
        if not minimum <= len(arguments) <= maximum:
            count = f"{minimum}" if minimum == maximum else f"at least {minimum}"
            raise InvalidExpressionError(f"{name} needs {count} arguments, not {len(arguments)}.")
        return Call(name, tuple(arguments))
