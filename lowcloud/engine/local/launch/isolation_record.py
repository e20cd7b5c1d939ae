"""The isolation level of a home: the strongest one that programs have run at, and the one its operator has chosen."""

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lowcloud.engine.local.replica import read_record, write_record

FILE = "isolation.json"
STRONGEST = "strongest"  # as a choice: whatever level is the strongest that works


@dataclass(frozen=True)
class IsolationRecord:
    """Names of levels (launch/isolation.py); "" where there is none."""

    reached: str = ""
    chosen: str = ""


def read(home: Path) -> IsolationRecord:
    """Return the record of a home. One that cannot be read is an error: the level must not fall for that."""
    path = home / FILE
    if not os.path.lexists(path):
        return IsolationRecord()
    found = read_record(path)
    if not isinstance(found, dict) or found.keys() != {one.name for one in fields(IsolationRecord)}:
        raise OSError(f"{path} is damaged. Choose the level again with: lowcloud up --isolation LEVEL")
    return IsolationRecord(**found)


def reach(home: Path, level: str) -> None:
    """Record that programs run at a level from now on, which is not weaker than the one recorded."""
    record = read(home)
    if record.reached != level:
        write_record(home / FILE, asdict(IsolationRecord(level, record.chosen)))


def choose(home: Path, level: str) -> None:
    """Record the operator's choice; it replaces what was recorded."""
    write_record(home / FILE, asdict(IsolationRecord(chosen="" if level == STRONGEST else level)))
