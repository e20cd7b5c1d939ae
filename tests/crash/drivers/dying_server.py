"""A server that kills itself like kill -9, just before or after a record's change to a given state is saved.

python -m tests.crash.drivers.dying_server HOME STATE before|after

The state "deleted" stands for the deletion of a record.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.home import settings
from lowcloud.server import server


def die_at(state: str, moment: str) -> None:
    """Install the point of death."""

    def dying(change: Callable[..., Any], is_the_one: Callable[..., bool]) -> Callable[..., Any]:
        def change_and_die(claim: LeasedRecord, values: Any, *rest: Any, **options: Any) -> Any:
            if is_the_one(values) and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = change(claim, values, *rest, **options)
            if is_the_one(values):
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return change_and_die

    if state == "deleted":
        LeasedRecord.delete = dying(LeasedRecord.delete, lambda _: True)  # type: ignore[method-assign]
    else:
        LeasedRecord.save = dying(LeasedRecord.save, lambda values: values.get("state") == state)  # type: ignore[method-assign]


if __name__ == "__main__":
    home, state, moment = sys.argv[1:]
    die_at(state, moment)
    server.serve(settings.load(Path(home), os.environ, port=0), 1, lambda _: None)
