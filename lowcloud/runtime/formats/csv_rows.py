"""Rows of numbers in CSV text: the one grammar of training channels and of an endpoint's requests.

Fields are those of RFC 4180, except that none may contain a line break: no number does. A number is an ASCII decimal
as Python's float reads it, but not 1_000. Blanks around a field, a carriage return included, are not part of it.
"""

from math import isfinite, isnan

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANKS = b" \t\r\v\f"
COMMA = b","
WIDTH_REMEDY = "Give every line the same number of columns."
SEPARATOR_REMEDY = "Separate the columns by commas, and write numbers with a decimal point."
NUMBERS_REMEDY = "Encode text columns as numbers, or remove the row."


class RowError(ValueError):
    """A line that is not a row of numbers; `column` (from 1) is that of the invalid cell, None for the whole line."""

    def __init__(self, problem: str, remedy: str, column: int | None = None):
        super().__init__(problem)
        self.problem = problem  # follows the place: " is empty", ": 'x' is not a number"
        self.remedy = remedy
        self.column = column


class WidthError(RowError):
    """A line with another number of cells than expected."""

    def __init__(self, cells: int, remedy: str):
        super().__init__(f" has {cells} columns", remedy)
        self.cells = cells


def number(text: bytes) -> float | None:
    """Return the number that a text is, or None. nan, inf and infinity are numbers; 1_000 is not."""
    try:
        return None if b"_" in text else float(text)
    except ValueError:
        return None


def find_delimiter(first_line: bytes, others: bytes) -> bytes:
    """Return the delimiter of a file: a comma, or if its first line has none, the first of `others` in it."""
    return next((bytes([one]) for one in others if COMMA not in first_line and one in first_line), COMMA)


def is_blank(line: bytes) -> bool:
    """Return whether a line is no row. One of tabs is a row of empty cells."""
    return not line.strip(b" \r\v\f")


def read_row(line: bytes, columns: int | None, empty: float | None, delimiter: bytes = COMMA) -> list[float]:
    """Return the numbers of a line, with `empty` for empty cells and nan; None forbids them. Raises RowError."""
    cells = split(line, delimiter)
    if columns is not None and len(cells) != columns:
        raise WidthError(len(cells), SEPARATOR_REMEDY if b";" in line and delimiter == COMMA else WIDTH_REMEDY)
    return [_value(cell, column, empty) for column, cell in enumerate(cells, 1)]


def split(line: bytes, delimiter: bytes = COMMA) -> list[bytes]:
    """Return the fields of a line. Raises RowError at a quotation mark that neither encloses a field nor is doubled."""
    if b'"' not in line:
        return [cell.strip(BLANKS) for cell in line.split(delimiter)]
    cells: list[bytes] = []
    rest: bytes | None = line
    while rest is not None:
        cell, rest = _split_one(rest, delimiter, len(cells) + 1)
        cells.append(cell)
    return cells


def looks_like_header(line: bytes, delimiter: bytes = COMMA) -> bool:
    """Return whether most cells of a first line are names instead of numbers."""
    try:
        cells = split(line, delimiter)
    except RowError:
        return False
    names = sum(number(cell) is None and any(map(str.isalpha, cell.decode(errors="replace"))) for cell in cells)
    return len(cells) > 1 and names * 2 > len(cells)


def shown(text: bytes, length: int = 60) -> str:
    """Return the beginning of a text for a message."""
    return repr(text.decode(errors="replace")[:length])


def _value(cell: bytes, column: int, empty: float | None) -> float:
    value = number(cell)
    if empty is not None and (not cell or (value is not None and isnan(value))):
        return empty
    if not cell:
        raise RowError(" is empty", "Remove the row or fill in the value.", column)
    if value is None:
        raise RowError(f": {shown(cell)} is not a number", _remedy(cell), column)
    if not isfinite(value):
        raise RowError(f": {cell.decode()} is not a finite number", "Remove the row or replace the value.", column)
    return value


def _remedy(cell: bytes) -> str:
    if cell.startswith(b"#"):
        return "CSV has no comments: remove the line."
    if number(cell.replace(b",", b".", 1)) is not None:
        return "Write it with a decimal point instead of the comma."
    if number(cell.replace(b",", b"")) is not None:
        return "Write it without thousands separators."
    if any(separator in cell for separator in (b";", b"\t", b" ", b"|")) and _are_numbers(cell):
        return SEPARATOR_REMEDY
    return NUMBERS_REMEDY


def _are_numbers(cell: bytes) -> bool:
    parts = cell.translate(bytes.maketrans(b";|\t", b"   ")).split()
    return any(number(part) is not None for part in parts)


def _split_one(text: bytes, delimiter: bytes, column: int) -> tuple[bytes, bytes | None]:
    """Return the first field of a text, and what follows its delimiter; None if nothing does."""
    start = text.lstrip(BLANKS) if delimiter not in BLANKS else text.lstrip(b" \r")
    if not start.startswith(b'"'):
        cell, found, rest = text.partition(delimiter)
        if b'"' in cell:
            raise _quote_error(cell, column)
        return cell.strip(BLANKS), rest if found else None
    end = 1
    while (end := start.find(b'"', end)) >= 0 and start[end + 1 : end + 2] == b'"':
        end += 2  # a doubled quotation mark is part of the field
    between, found, rest = start[end + 1 :].partition(delimiter)
    if end < 0 or not is_blank(between):
        raise _quote_error(start, column)
    return start[1:end].replace(b'""', b'"').strip(BLANKS), rest if found else None


def _quote_error(text: bytes, column: int) -> RowError:
    return RowError(
        f": {shown(text)} has an unbalanced quotation mark",
        "Enclose a complete field in quotation marks on one line, or remove them.",
        column,
    )


def lines_of(body: bytes) -> list[bytes]:
    """Return the lines of a request's text, without its byte order mark and the blank lines at its end."""
    lines = body.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    while lines and is_blank(lines[-1]):
        lines.pop()
    return lines
