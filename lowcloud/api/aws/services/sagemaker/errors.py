"""Translation of core's errors, for which SageMaker's groups of operations have different messages."""

from collections.abc import Iterator
from contextlib import contextmanager

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InUseError, InvalidPageTokenError, NotFoundError
from lowcloud.core.serving.endpoint_configurations import CONFIGURATION
from lowcloud.core.serving.endpoints import ENDPOINT
from lowcloud.core.serving.models import MODEL
from lowcloud.core.tracking.associations import ASSOCIATION

register_errors(
    "sagemaker",
    ErrorCodes(
        {
            NotFoundError: ("ResourceNotFound", 400),
            AlreadyExistsError: ("ResourceInUse", 400),
            InUseError: ("ResourceInUse", 400),
        }
    ),
)

_INFERENCE_PREFIXES = {kind.noun: kind.prefix for kind in (MODEL, CONFIGURATION, ENDPOINT)}


def invalid(message: str) -> AwsError:
    """Return SageMaker's error for a request that cannot be performed."""
    return AwsError("ValidationException", message)


@contextmanager
def inference_errors(context: Context) -> Iterator[None]:
    """Translate errors as operations on models, endpoint configurations and endpoints do."""

    def arn(error: AlreadyExistsError | NotFoundError) -> str:
        return of_sagemaker(context, f"{_INFERENCE_PREFIXES[error.noun]}/{error.name}")

    try:
        yield
    except AlreadyExistsError as error:
        raise invalid(f"Cannot create already existing {error.noun} {arn(error)!r}.") from error
    except NotFoundError as error:
        raise invalid(f"Could not find {error.noun} {arn(error)!r}.") from error


@contextmanager
def tracking_errors() -> Iterator[None]:
    """Translate errors as operations on experiments and lineage do."""
    try:
        yield
    except AlreadyExistsError as error:
        kind = _capitalize(error.noun)
        if error.noun == ASSOCIATION.noun:
            raise invalid(f"The association {error.name} already exists.") from error
        unique = f"{kind} names must be unique within an AWS account and region."
        raise invalid(f"{unique} {kind} with name ({error.name}) already exists.") from error
    except InUseError as error:
        raise invalid(str(error)) from error
    except NotFoundError as error:
        raise AwsError("ResourceNotFound", f"{_capitalize(error.noun)} '{error.name}' does not exist.") from error


@contextmanager
def page_token_errors() -> Iterator[None]:
    """Translate the error of an invalid page token."""
    try:
        yield
    except InvalidPageTokenError as error:
        raise invalid(f"Invalid NextToken: {error}") from error


def _capitalize(noun: str) -> str:
    return noun[0].upper() + noun[1:]
