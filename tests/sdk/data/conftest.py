"""Fixtures for tests of tables: what a built-in algorithm would be sent, without a cloud."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.data import channels
from lowcloud.sdk.data.channels import ModelKind, Prepared
from lowcloud.sdk.data.reading import to_reading

Prepare = Callable[..., Prepared]


@pytest.fixture
def prepare() -> Prepare:
    """Prepare data for a built-in algorithm; nothing is sent, so no cloud is needed."""
    return prepare_at(None)


def prepare_at(cloud: Cloud | None) -> Prepare:
    """Prepare data for a built-in algorithm, also data at a URL of this cloud."""

    def of(
        data: Any,
        target: Any = None,
        *,
        algorithm: str = "xgboost",
        parameters: Mapping[str, Any] | None = None,
        validation: Any = None,
        reading: Mapping[str, Any] | None = None,
        raw: bool = False,
    ) -> Prepared:
        consumer = channels.Consumer(
            ModelKind.BUILT_IN, algorithm, parameters or {}, allows_missing=algorithm == "xgboost", is_raw=raw
        )
        return channels.prepare(cloud, data, validation, target, consumer, to_reading(reading))  # type: ignore[arg-type]

    return of


@pytest.fixture
def table(tmp_path: Path, prepare: Prepare) -> Callable[..., str]:
    """Write a file, and return the CSV that it becomes with the target `y`."""

    def of(text: str | bytes, name: str = "a.csv", target: Any = "y", **options: Any) -> str:
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(content)
        return sent(prepare(tmp_path / name, target, **options))

    return of


def sent(prepared: Prepared, channel: str = "train") -> str:
    """The CSV of a channel."""
    content = prepared.files[channel][f"{channel}.csv"]
    assert isinstance(content, bytes)
    return content.decode()
