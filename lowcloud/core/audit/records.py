"""Records: one call or refusal each, and their canonical JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
NAME_LIMIT = 128  # of names that a caller chooses freely


@dataclass(frozen=True)
class Actor:
    """Who made a request; of one whose credentials were not proven, only what it claims."""

    account: str
    kind: str = ""  # "user", "role session" ...; "" : not proven
    name: str = ""
    arn: str = ""
    id: str = ""
    access_key_id: str = ""
    role: str = ""  # the ARN of the role that it has assumed


@dataclass(frozen=True)
class Asked:
    """One permission that the request needed."""

    action: str
    resource: str  # its ARN
    account: str  # of its owner


@dataclass(frozen=True)
class Record:
    """One call of an operation, or a request that was refused before."""

    id: str  # of the request
    time: float
    account: str  # in whose log it is
    actor: Actor
    service: str
    operation: str
    is_read_only: bool
    region: str
    address: str = ""
    agent: str = ""
    asked: Sequence[Asked] = ()
    is_refused: bool = False
    is_data: bool = False  # it reads or writes data, rather than manages resources
    deciding: str = ""  # the sort of policy that refuses
    is_explicit: bool = False  # one denies, rather than none allows
    error: str = ""  # the error's code
    message: str = ""  # of a refusal; those of other errors may repeat what was sent
    parameters: Mapping[str, Any] = field(default_factory=dict)  # without secrets
    omitted: int = 0  # refusals before this one that were too many to record


@dataclass(frozen=True)
class Entry:
    """A record as it is stored."""

    document: str
    columns: Mapping[str, Any]  # that records are looked up by


def to_entry(record: Record) -> Entry:
    """Return a record as it is stored."""
    return Entry(to_document(record), columns_of(record))


def to_document(record: Record) -> str:
    """Return canonical JSON: sorted, without blanks, the same for the same record."""
    found = {**vars(record), "actor": vars(record.actor), "asked": [vars(one) for one in record.asked]}
    return _ENCODER.encode(found)


def from_document(document: str) -> Record:
    """Return the record of a document."""
    found = json.loads(document)
    found["actor"] = Actor(**found["actor"])
    found["asked"] = tuple(Asked(**one) for one in found["asked"])
    return Record(**found)


def columns_of(record: Record) -> dict[str, Any]:
    """Return the columns that a record is looked up by."""
    return {
        "time": record.time,
        "account": record.account,
        "id": _plain(record.id, 64),
        "service": _plain(record.service, 64),
        "operation": _plain(record.operation, NAME_LIMIT),
        "name": _plain(record.actor.name, NAME_LIMIT),
        "access_key_id": _plain(record.actor.access_key_id, NAME_LIMIT),
        "is_read_only": record.is_read_only,
        "is_refused": record.is_refused,
    }


def _plain(text: str, limit: int) -> str:
    """Return a text that every database stores as it is: some of them were never verified."""
    if text.isascii() and text.isprintable():
        return text[:limit]
    return "".join(character if " " <= character <= "~" else "?" for character in text[:limit])
