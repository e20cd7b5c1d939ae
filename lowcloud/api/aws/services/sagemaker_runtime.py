"""InvokeEndpoint, which passes the request to a replica unchanged and returns its answer."""

from lowcloud.api.aws.access.permissions import on
from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.serving import invocation
from lowcloud.core.serving.endpoint_records import SEE_LOG
from lowcloud.core.serving.endpoints import ENDPOINT

DEFAULT_CONTENT_TYPE = "application/octet-stream"
MODEL_TEXT_LIMIT = 1024  # characters of a model's error that are shown

HEADERS = {
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
}

register_errors(
    "sagemaker-runtime",
    ErrorCodes(
        {NotFoundError: ("ValidationError", 400), InvalidError: ("ValidationError", 400)},
        invalid_input="ValidationError",
    ),
)


@operation(
    "sagemaker-runtime",
    "InvokeEndpoint",
    on("endpoint/{EndpointName}"),
    refused=("EnableExplanations", "InferenceComponentName", "SessionId", "TargetModel", "TargetContainerHostname"),
    ignored=("InferenceId", "PrefixAwareId"),
)
async def invoke_endpoint(context: Context, _caller: Caller, request: Request) -> Answer:
    """The variant is chosen by weight; its replicas share the requests."""
    name = request["EndpointName"]
    headers = {header: request[member] for member, header in HEADERS.items() if member in request}
    headers.setdefault("Content-Type", DEFAULT_CONTENT_TYPE)
    try:
        variant, answer = await invocation.invoke(context, name, request["Body"], headers, request.get("TargetVariant"))
    except NotFoundError as error:
        if error.noun == "variant":
            raise AwsError("ValidationError", f"Variant {error.name} of endpoint {name} not found.") from error
        raise AwsError(
            "ValidationError", f"Endpoint {name} of account {context.settings.account_id} not found."
        ) from error
    except InvalidError as error:
        raise AwsError("ValidationError", str(error)) from error
    except (invocation.NoReplicaError, invocation.ModelTimeoutError) as error:
        status = 504 if isinstance(error, invocation.ModelTimeoutError) else 503
        raise AwsError("ModelError", str(error), 424, {"OriginalStatusCode": status}) from error
    if answer.status != 200:
        raise _model_error(context, name, answer.status, answer.body)
    return {"Body": answer.body, "ContentType": answer.content_type, "InvokedProductionVariant": variant}


def _model_error(context: Context, name: str, status: int, body: bytes) -> AwsError:
    text = body[:MODEL_TEXT_LIMIT].decode(errors="replace")
    kind = "client" if status < 500 else "server"
    see = SEE_LOG.format(name=name)
    message = f'Received {kind} error ({status}) from primary with message "{text}". {see}'
    arn = of_sagemaker(context, ENDPOINT.subject(name))
    fields = {"OriginalStatusCode": status, "OriginalMessage": text, "LogStreamArn": arn}
    return AwsError("ModelError", message, 424, fields)
