"""Environment requests: the Python environment that a program needs, a user's own or one to be built."""

from dataclasses import dataclass

from lowcloud.core.context import Context
from lowcloud.core.environments import builds, environments, requirements
from lowcloud.core.environments.environments import EnvironmentSpec
from lowcloud.core.staging import inputs
from lowcloud.engine.work import Input, Work


@dataclass(frozen=True)
class EnvironmentRequest:
    """The environment that a program needs, and the source archive that it is built from."""

    environment: EnvironmentSpec | None  # to be built
    python: str = ""  # the folder of a user's own
    code: Input | None = None

    @property
    def name(self) -> str:
        """The environment as Work names it."""
        return environments.key(self.environment) if self.environment else self.python

    def builder(self, context: Context) -> Work:
        """Return the work that builds it."""
        assert self.environment is not None, "only what has requirements is built"
        return builds.builder(context, self.environment, self.code)


def of_program(
    context: Context, python: str, base: tuple[str, ...], code: Input | None, within: str = ""
) -> EnvironmentRequest:
    """Return the request of a program: the requirements of its image (`base`) and of its code, in the folder `within`.

    A user's own environment (`python`) is used as it is. Raises InvalidError and StagingError for code that cannot be
    read.
    """
    if python:
        return EnvironmentRequest(None, python)
    requested = requirements.of_archive(inputs.fetch(context, code.source), within, code.size_bytes) if code else None
    return EnvironmentRequest(environments.of_job(base, requested), code=code)
