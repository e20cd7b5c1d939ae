"""What a program needs of Python: its user's own environment, or one to be built, and the archive that asks for it."""

from dataclasses import dataclass

from lowcloud.core import environments, inputs, requirements
from lowcloud.core.cloud import Cloud
from lowcloud.core.environments import Environment
from lowcloud.engine import Input, Work


@dataclass(frozen=True)
class Need:
    """What an environment is made of."""

    environment: Environment | None  # to be built
    python: str = ""  # the folder of a user's own
    code: Input | None = None

    @property
    def name(self) -> str:
        """The environment as Work names it."""
        return environments.key(self.environment) if self.environment else self.python

    def builder(self, cloud: Cloud) -> Work:
        """The work that builds it."""
        assert self.environment is not None, "only what has requirements is built"
        return environments.builder(cloud, self.environment, self.code)


def of_program(cloud: Cloud, python: str, beneath: tuple[str, ...], code: Input | None, within: str = "") -> Need:
    """What is needed by a program whose requirements `beneath` stand below those of its code, in the folder `within`.

    A user's own environment is as its user has made it. Raises Invalid and StagingFailed for code that cannot be read.
    """
    if python:
        return Need(None, python)
    asked = requirements.of_archive(inputs.fetch(cloud, code.source), within, code.size_bytes) if code else None
    return Need(environments.of_job(beneath, asked), code=code)
