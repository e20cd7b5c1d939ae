"""A real server that kills itself, as kill -9 would, just before or after a job's change to one state is saved.

python -m tests.crash.dying_server HOME STATE before|after
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lowcloud import server, settings
from lowcloud.core.reconciler import Claim


def die_at(state: str, moment: str) -> None:
    """Arrange the death."""
    save = Claim.save

    def save_and_die(claim: Claim, values: Mapping[str, Any], also: Callable[[Any], None] | None = None) -> None:
        is_the_one = values.get("state") == state
        if is_the_one and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        save(claim, values, also)
        if is_the_one:
            os.kill(os.getpid(), signal.SIGKILL)

    Claim.save = save_and_die  # type: ignore[method-assign]


if __name__ == "__main__":
    home, state, moment = sys.argv[1:]
    die_at(state, moment)
    server.serve(settings.load(Path(home), os.environ, port=0), lambda _: None)
