"""Model servers: the program that serves a model, and the Python environment and archives that it requires."""

from collections.abc import Mapping
from dataclasses import dataclass

from lowcloud import contract
from lowcloud.catalog import frameworks
from lowcloud.catalog.algorithms import Algorithm
from lowcloud.catalog.frameworks import ResolvedFramework
from lowcloud.catalog.processing_programs import ProcessingProgram
from lowcloud.core.context import Context
from lowcloud.core.environments import requests
from lowcloud.core.environments.requests import EnvironmentRequest
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.core.programs import resolver
from lowcloud.core.programs.images import Image
from lowcloud.core.programs.resolver import Program
from lowcloud.core.serving.models import Model
from lowcloud.core.staging import inputs
from lowcloud.engine.work import Input, StagingError

SCRIPT_VARIABLE, CODE_VARIABLE = "SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"  # variables of a model's environment
CODE_IN_MODEL = f"{contract.CODE}/"


@dataclass(frozen=True)
class ServingRules:
    """The rules for programs that serve models; see resolver.ProgramRules."""

    image: str
    variables: Mapping[str, str]

    def of_image(self, image: Image) -> Program:
        """Return the user's inference script in the Python environment of the image."""
        if image.is_container or image.command:
            raise InvalidError(
                f"The image {self.image!r} is registered as a command or a container, which cannot serve models yet."
            )
        return Program(
            frameworks.SERVE_COMMAND,
            takes_source=True,
            python=image.python,
            requirements=resolver.requirements_of(image),
        )

    def of_algorithm(self, algorithm: Algorithm) -> Program | None:
        """Return the algorithm's own server, unless the model names an inference script."""
        if self.variables.get(SCRIPT_VARIABLE):  # the SDK sends an empty one for a model without a script
            return None
        return Program(algorithm.serve_command, is_built_in=True, requirements=resolver.missing(algorithm))

    def of_processing_program(self, program: ProcessingProgram) -> Program | None:  # noqa: ARG002 (they serve nothing)
        return None

    def of_framework(self, framework: ResolvedFramework) -> Program | None:
        """Return the user's inference script in the framework's environment."""
        if framework.cannot_serve:
            raise InvalidError(f"The image {self.image!r} cannot serve models: {framework.cannot_serve}")
        return Program(frameworks.SERVE_COMMAND, takes_source=True, requirements=framework.requirements)


def resolve(context: Context, image: str, variables: Mapping[str, str]) -> Program:
    """Return the program that serves a model of this image and environment.

    Raises UnknownImageError, and InvalidError for an image that cannot serve.
    """
    return resolver.resolve(context, image, ServingRules(image, variables))


def program_of(context: Context, model: Model) -> Program:
    """Return the program that serves a model. Raises StagingError."""
    try:
        return resolve(context, model.image, model.variables)
    except InvalidError as error:
        raise StagingError(f"Model {model.name!r}: {error}") from error


def environment_request(context: Context, model: Model, program: Program) -> EnvironmentRequest:
    """Return the Python environment of a model's replicas. Raises StagingError."""
    has_code = program.takes_source and not program.python
    code = next(reversed(archives_of(context, model)), None) if has_code else None
    within = CODE_IN_MODEL if code and code.path == contract.MODEL else ""
    try:
        return requests.of_program(context, program.python, program.requirements, code, within)
    except InvalidError as error:
        raise StagingError(f"Model {model.name!r}: {error}") from error


def has_network(model: Model, program: Program) -> bool:
    """Return whether a replica has network access: users' scripts unless isolated, built-in programs never."""
    return not model.is_network_isolated and not program.is_built_in


def archives_of(context: Context, model: Model) -> tuple[Input, ...]:
    """Return the model and, if it is an archive of its own, the inference script. Raises StagingError."""
    store = _store_of(context, model)
    found = [inputs.archive_at(store, contract.MODEL, model.artifact)] if model.artifact else []
    source = model.variables.get(CODE_VARIABLE, "")
    if source.startswith("s3://") and source != model.artifact:
        found.append(inputs.archive_at(store, contract.CODE, source))
    return tuple(found)


def _store_of(context: Context, model: Model) -> ObjectAccess:
    """Return the object store as the model's role sees it.

    A model without a role reads what its creator was permitted to read.
    """
    if not model.role:
        return ObjectAccess.of_account(context)
    role = model.role.rpartition("/")[2]
    try:
        return ObjectAccess.of_role(context, role, "SageMaker")
    except NotFoundError as error:
        raise StagingError(f"The role {role!r} of the model {model.name!r} has been deleted.") from error
