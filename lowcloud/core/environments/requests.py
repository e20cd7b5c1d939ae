"""What a program needs of Python: its user's own environment, or one to be built, and the archive that asks for it."""

from dataclasses import dataclass

from lowcloud.core.context import Context
from lowcloud.core.environments import environments, requirements
from lowcloud.core.environments.environments import EnvironmentSpec
from lowcloud.core.staging import inputs
from lowcloud.engine.work import Input, Work


@dataclass(frozen=True)
class EnvironmentRequest:
    """What an environment is made of."""

    environment: EnvironmentSpec | None  # to be built
    python: str = ""  # the folder of a user's own
    code: Input | None = None

    @property
    def name(self) -> str:
        """The environment as Work names it."""
        return environments.key(self.environment) if self.environment else self.python

    def builder(self, context: Context) -> Work:
        """The work that builds it."""
        assert self.environment is not None, "only what has requirements is built"
        return environments.builder(context, self.environment, self.code)


def of_program(
    context: Context, python: str, beneath: tuple[str, ...], code: Input | None, within: str = ""
) -> EnvironmentRequest:
    """What is needed by a program whose requirements `beneath` stand below those of its code, in the folder `within`.

    A user's own environment is as its user has made it. Raises Invalid and StagingFailed for code that cannot be read.
    """
    if python:
        return EnvironmentRequest(None, python)
    asked = requirements.of_archive(inputs.fetch(context, code.source), within, code.size_bytes) if code else None
    return EnvironmentRequest(environments.of_job(beneath, asked), code=code)
