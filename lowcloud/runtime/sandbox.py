"""The walls around one program, built from the engine's plan by the supervisor and the program itself."""

import os
import signal
from typing import Any

from lowcloud.runtime import kernel


class Jail:
    """The walls of one replica. `build` and the rest run in the supervisor, `enter` in the program."""

    def __init__(self, plan: dict[str, Any]):
        self.plan = plan

    def build(self) -> None:
        """What must stand before the program is forked."""
        kernel.adopt_orphans()

    def enter(self) -> None:
        """Shut this process in."""
        kernel.die_with_parent()

    def end_everything(self) -> None:
        """Kill every process that descends from the program, and wait for its end."""
        while True:
            for child in kernel.children(os.getpid()):
                kernel.send_signal(child, signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed a process of this replica for its memory limit."""
        return False

    def clear(self) -> None:
        """Give back what `build` took from the machine."""
