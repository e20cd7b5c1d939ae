"""Runs of the processing programs in this process, on a processing folder."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lowcloud import contract
from lowcloud.runtime.processing import evaluate, preprocess

PROGRAMS = {"preprocess": preprocess, "evaluate": evaluate}


@dataclass(frozen=True)
class Run:
    """The outputs of a run."""

    base: Path
    code: int

    @property
    def output(self) -> Path:
        return self.base / contract.PROCESSING / "output"

    @property
    def failure(self) -> str:
        path = self.base / contract.FAILURE
        return path.read_text() if path.exists() else ""

    def json(self, name: str) -> Any:
        return json.loads((self.output / name).read_text(encoding="utf-8"))

    def rows(self, part: str) -> list[list[str]]:
        with (self.output / part / f"{part}.csv").open() as file:
            return list(csv.reader(file))


def run(base: Path, program: str, files: Mapping[str, str | bytes], *arguments: str) -> Run:
    """Write the files below processing and run the program."""
    for name, content in files.items():
        path = base / contract.PROCESSING / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(contract.BASE_DIR_VARIABLE, str(base))
        return Run(base, PROGRAMS[program].main(arguments))


class Checked(HTMLParser):
    """A page whose elements are closed in order, with nothing in it that is fetched or run."""

    EMPTY = frozenset({"meta", "rect", "line", "circle", "polyline"})

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "img", "iframe", "object"}
        assert not {name for name, _ in attrs if name in {"src", "href"} or name.startswith("on")}
        if tag not in self.EMPTY or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
