"""The program of a job: the rules shared by all kinds of jobs, and the program of one job."""

import json
from dataclasses import dataclass

from lowcloud import contract
from lowcloud.catalog import frameworks
from lowcloud.catalog.algorithms import Algorithm
from lowcloud.catalog.frameworks import ResolvedFramework
from lowcloud.catalog.processing_programs import ProcessingProgram
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.core.jobs.jobs import Job, Specification
from lowcloud.core.programs import resolver
from lowcloud.core.programs.images import Image
from lowcloud.core.programs.resolver import Program
from lowcloud.core.staging import inputs
from lowcloud.engine.work import Input, StagingError

SCRIPT_PARAMETER, CODE_PARAMETER = "sagemaker_program", "sagemaker_submit_directory"  # hyperparameters, JSON texts


@dataclass(frozen=True)
class JobRules:
    """The rules of all kinds of jobs; see resolver.ProgramRules. A kind adds its own."""

    requested: Specification
    container_command: tuple[str, ...] = ()  # of a container that is given neither entry point nor arguments

    def of_image(self, image: Image) -> Program:
        """Return a container or command with the job's arguments, or the user's script in the image's environment."""
        requested = self.requested
        if image.is_container:
            default = () if requested.entrypoint else self.container_command
            return Program(requested.arguments or default, container=requested.image)
        if image.command:
            # It may be a training toolkit, for which the SDK sends a script.
            command = requested.entrypoint or image.command
            return Program((*frameworks.RUN_COMMAND, *command, *requested.arguments), takes_source=True)
        # Nothing is installed into a user's own environment: a script's requirements go into each job's overlay.
        command = _command_in_environment(requested, *((frameworks.INSTALL,) if image.python else ()))
        requirements = resolver.requirements_of(image)
        return Program(command, takes_source=True, python=image.python, requirements=requirements)

    def of_algorithm(self, algorithm: Algorithm) -> Program | None:  # noqa: ARG002 (only some kinds run algorithms)
        return None

    def of_processing_program(self, program: ProcessingProgram) -> Program | None:  # noqa: ARG002 (see above)
        return None

    def of_framework(self, framework: ResolvedFramework) -> Program | None:
        """Return the user's entry point or script in the framework's environment."""
        command = _command_in_environment(self.requested, framework.sentence)
        needed = (*framework.requirements, *frameworks.command_requirements(self.requested.arguments))
        return Program(command, takes_source=True, requirements=needed)


def of_job(context: Context, job: Job) -> Program:
    """Return the program that was chosen when the job was created. Raises StagingError."""
    if job.progress.program is not None:
        return job.progress.program
    try:  # an earlier version did not store it
        return resolver.resolve(context, job.specification.image, job.kind.rules(job.specification))
    except InvalidError as error:
        raise StagingError(str(error)) from error


def isolation_of(context: Context, program: Program | None) -> str:
    """Return the note of an event on how a program is isolated, or "" before a level is known."""
    is_container = program is not None and bool(program.container)  # which isolates by itself
    level = "container" if is_container else context.engine.isolation_status().level
    return f"(isolation level: {level})" if level else ""


def store_of(context: Context, job: Job) -> ObjectAccess:
    """Return the object store as the job's role sees it. Raises StagingError for a role that has been deleted."""
    try:
        return ObjectAccess.of_role(context, job.specification.role, job.kind.role_session)
    except NotFoundError as error:
        raise StagingError(f"The role {job.specification.role!r} of the job has been deleted.") from error


def source_of(store: ObjectAccess, requested: Specification) -> Input | None:
    """Return the archive of the user's script; None if the image has the program. Raises StagingError."""
    source = source_uri(requested)
    return inputs.archive_at(store, contract.CODE, source) if source else None


def source_uri(requested: Specification) -> str:
    """Return where the archive of the user's script is: "s3://bucket/key", or ""."""
    text = requested.hyperparameters.get(CODE_PARAMETER, "")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text  # the SDK sends JSON; others send plain text
    return value if isinstance(value, str) and value.startswith("s3://") else ""


def _command_in_environment(requested: Specification, *messages: str) -> tuple[str, ...]:
    """Return a program that runs the user's entry point or script; `messages` are printed before a script."""
    if requested.entrypoint:
        return (*frameworks.RUN_COMMAND, *requested.entrypoint, *requested.arguments)
    if SCRIPT_PARAMETER in requested.hyperparameters:
        return (*frameworks.SCRIPT_COMMAND, *messages)
    raise InvalidError(
        f"The image {requested.image!r} is a Python environment: name your script by the hyperparameter "
        f"{SCRIPT_PARAMETER}, which the SDK's estimators call entry_point, or give an entrypoint."
    )
