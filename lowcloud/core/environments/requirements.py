"""The requirements of a source archive: its requirements.txt, and the files that it includes."""

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lowcloud.core.errors import InvalidError
from lowcloud.engine.archives import Members, MemberType, UnreadableArchiveError

FILE = "requirements.txt"
TEXT_BYTES = 1 << 20  # of one file that could hold requirements
ALL_TEXTS_BYTES = 16 << 20
MEMBERS = 100_000
UNPACKED_BYTES = 1 << 30
RATIO = 200  # unpacked bytes for each packed one; real archives stay below 20
SUFFIXES = ("", ".txt", ".in", ".pip", ".lock", ".lst")  # of files that can contain requirements
PACKAGE_FILES = ("setup.py", "setup.cfg")
DEPTH = 10  # of files that include files

OPTION = re.compile(r"(-r|--requirement|-c|--constraint|-e|--editable)(?:\s*=\s*|\s+|(?<=-[rce])(?=\S))(\S.*)")
COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")  # not \s+#, whose search is quadratic in a line of blanks
PACKAGES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2")


@dataclass(frozen=True)
class Requirements:
    """The lines that pip would read, with every included file inserted in the place of its name."""

    lines: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    code: str = ""  # a digest of the archive if a line refers to a path in it, else ""


def of_archive(chunks: Iterator[bytes], within: str = "", packed_bytes: int = 0) -> Requirements | None:
    """Return the requirements of an archive, in its folder `within` (such as "code/"); None if there are none.

    `packed_bytes` is its size, by which an archive with a large model is distinguished from a decompression bomb.
    Raises InvalidError for an archive that cannot be read.
    """
    texts: dict[str, str] = {}
    digests: list[str] = []
    left_bytes = ALL_TEXTS_BYTES
    archive = Members(chunks, UNPACKED_BYTES + RATIO * packed_bytes, MEMBERS)
    try:
        for member in archive:
            path = posixpath.normpath(member.name)
            if path.startswith(("/", "..")) or not path.startswith(within):
                continue
            path = path.removeprefix(within)
            is_text = _is_readable(path) and member.size <= min(TEXT_BYTES, left_bytes)
            digest = hashlib.sha256(f"{path}\0{member.mode & 0o100}\0{member.linkname}\0".encode(errors="replace"))
            kept = []
            for chunk in archive.content(member) if member.type == MemberType.FILE else ():
                digest.update(chunk)
                kept += [chunk] if is_text else []
            if kept:
                texts[path] = b"".join(kept).decode(errors="replace")
                left_bytes -= member.size
            digests.append(digest.hexdigest())
    except UnreadableArchiveError as error:
        kind = "model" if within else "source"
        raise InvalidError(f"The {kind} archive cannot be used: {error}.") from error
    return of_texts(texts, hashlib.sha256("".join(sorted(digests)).encode()).hexdigest())


def of_texts(texts: Mapping[str, str], code: str = "") -> Requirements | None:
    """Return the requirements of the files `texts`, by path; `code` is a digest of the folder that contains them."""
    lines: list[str] = []
    constraints: list[str] = []
    if FILE in texts:
        _read(texts, FILE, lines, constraints, DEPTH, set())
    if any("install_requires" in texts.get(name, "") for name in PACKAGE_FILES if PACKAGE_FILES[0] in texts):
        lines.append(".")  # a package is only put on the path, unless it has requirements
    if not lines:
        return None
    lines, constraints = _without_repeated(lines), _without_repeated(constraints)
    names_paths = any(_is_local(line) for line in (*lines, *constraints))
    return Requirements(tuple(lines), tuple(constraints), code if names_paths else "")


def _without_repeated(lines: list[str]) -> list[str]:
    """Return the lines without the second of two that name the same packages; of options, the last one counts."""
    first = {line: number for number, line in reversed(list(enumerate(lines)))}
    return [line for number, line in enumerate(lines) if line.startswith("-") or first[line] == number]


def _read(
    texts: Mapping[str, str],
    path: str,
    lines: list[str],
    constraints: list[str],
    depth: int,
    complete: set[tuple[str, bool]],
) -> None:
    """Add the lines of a file. `complete` are the files that were read, as constraints or not: once is enough."""
    if (path, lines is constraints) in complete:
        return
    if depth == 0:
        raise InvalidError(f"{path} is included through more than {DEPTH} levels of files; does a file include itself?")
    if path not in texts:
        raise InvalidError(f"{FILE} includes {path!r}, which is not in the source archive.")
    for line in _logical_lines(texts[path]):
        option = OPTION.fullmatch(line)
        flag, value = (option[1].lstrip("-")[0], option[2]) if option else ("", line)
        if flag == "e":  # an editable install would refer to the folder in which it was built
            lines.append(value if _is_local(value) else line)
        elif flag == "" or "://" in value:
            (constraints if flag == "c" else lines).append(line)
        else:
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(path), value))
            _read(texts, inner, constraints if flag == "c" else lines, constraints, depth - 1, complete)
    complete.add((path, lines is constraints))


def _is_readable(path: str) -> bool:
    """Return whether a file of this name can contain requirements."""
    return posixpath.splitext(path)[1] in SUFFIXES or path in PACKAGE_FILES


def _logical_lines(text: str) -> Iterator[str]:
    """Yield lines without comments; a line that ends in a backslash is joined to the next."""
    for line in text.removeprefix("\ufeff").replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        stripped = COMMENT.sub("", line).strip()
        if stripped:
            yield stripped


def _is_local(line: str) -> bool:
    """Return whether a line refers to a path in the archive rather than to a package of an index."""
    value = re.sub(r"^(-f|--find-links|-e|--editable)[\s=]+", "", line).partition(";")[0].strip()
    if value.startswith("-") or "://" in value.replace("file://", ""):
        return False
    return "file:" in value or "/" in value or value == "." or value.endswith(PACKAGES)
