"""Python environments of what runs here: there already, or built by a work of their own before the program starts."""

from collections.abc import Callable
from dataclasses import dataclass

from lowcloud import contract
from lowcloud.core import environments, images, inputs, requirements
from lowcloud.core.cloud import Cloud
from lowcloud.core.environments import Environment
from lowcloud.core.errors import Invalid
from lowcloud.engine import Input, Phase, StagingFailed

FAILURE_BYTES = 4096  # read of what a builder says of its failure
UNSAID = "The Python environment could not be built; the log says why."


@dataclass(frozen=True)
class Need:
    """What an environment is made of."""

    environment: Environment | None
    folder: str = ""  # of a user's own environment
    code: Input | None = None

    @property
    def name(self) -> str:
        """The environment as Work names it."""
        return environments.key(self.environment) if self.environment else self.folder


def need_of(cloud: Cloud, program: images.Program, code: Input | None, within: str = "") -> Need:
    """What a program needs whose source lies `within` the archive `code`. Raises StagingFailed."""
    try:
        asked = requirements.of_archive(inputs.fetch(cloud, code.source), within) if code else None
        taught = requirements.of_texts({requirements.FILE: program.requirements_file})
    except Invalid as error:
        raise StagingFailed(str(error)) from error
    if asked and asked.code and within:
        raise StagingFailed(f"{requirements.FILE} of the model names a path; name packages, or give their URLs.")
    beneath = (*program.requirements, *(taught.lines if taught else ()))
    return Need(environments.of_job(beneath, asked), program.python, code)


def is_ready(cloud: Cloud, name: str) -> bool:
    """Whether the environment that Work names so is there."""
    return not name or name.startswith("/") or cloud.engine.has_environment(name)


def build(cloud: Cloud, name: str, need: Callable[[], Need], collect: Callable[[str], None]) -> bool:
    """Build an environment, or go on with it; whether it is ready.

    `collect` is given the builder's work, to keep what it printed. Raises StagingFailed where it cannot be built.
    """
    if is_ready(cloud, name):
        return True
    work_id = _builder(name)
    statuses = cloud.engine.status(work_id)
    if not statuses or statuses[0].phase in (Phase.ABSENT, Phase.STAGING):
        needed = need()
        assert needed.environment is not None, "only what has requirements is built"
        cloud.engine.start(environments.builder(cloud, needed.environment, needed.code))
        return False
    collect(work_id)
    if statuses[0].phase not in (Phase.EXITED, Phase.LOST):
        return False
    if statuses[0].exit_code == 0:
        cloud.engine.keep_environment(work_id)
        cloud.engine.remove(work_id)
        return True
    said = (cloud.engine.read_file(work_id, 0, contract.FAILURE, FAILURE_BYTES) or b"").decode(errors="replace")
    cloud.engine.remove(work_id)
    raise StagingFailed(said.strip().removeprefix("ClientError: ") or UNSAID)


def let_go(cloud: Cloud, name: str) -> None:
    """Nobody waits here any more: end a builder that still works. Whoever else waits for it starts it again."""
    if not is_ready(cloud, name):
        cloud.engine.remove(_builder(name))


def _builder(name: str) -> str:
    return f"environment/{name}"
