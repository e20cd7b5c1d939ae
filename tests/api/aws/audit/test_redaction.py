"""Parameters in the audit log: nothing secret, by name or by botocore's trait."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lowcloud.api.aws.audit.redaction import HIDDEN, redact
from lowcloud.api.aws.protocol.service_models import load_service


def redacted(service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    found = load_service(service)
    assert found is not None
    return redact(found.operation(operation).input_shape, parameters)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("sagemaker", "CreateTrainingJob", {"HyperParameters": {"key": "s3cret"}}),
        ("sagemaker", "CreateTrainingJob", {"Environment": {"API_KEY": "s3cret"}}),
        ("sagemaker", "CreateModel", {"PrimaryContainer": {"Environment": {"API_KEY": "s3cret"}}}),
        ("sagemaker", "CreateProcessingJob", {"AppSpecification": {"ContainerArguments": ["--key", "s3cret"]}}),
        ("sagemaker", "CreateTrainingJob", {"AlgorithmSpecification": {"ContainerEntrypoint": ["s3cret"]}}),
        ("sagemaker-runtime", "InvokeEndpoint", {"Body": b"s3cret"}),
        ("s3", "PutObject", {"SSECustomerKey": "s3cret", "Body": object()}),
        ("s3", "CopyObject", {"CopySourceSSECustomerKey": "s3cret"}),
        ("iam", "CreateLoginProfile", {"Password": "s3cret"}),
        ("iam", "CreateVirtualMFADevice", {"seed": b"s3cret"}),
        ("sts", "AssumeRoleWithWebIdentity", {"WebIdentityToken": "s3cret"}),
        ("kms", "Encrypt", {"Plaintext": b"s3cret"}),
        ("secretsmanager", "PutSecretValue", {"SecretString": "s3cret"}),
    ],
)
def test_secrets_are_left_out(service: str, operation: str, parameters: dict[str, Any]) -> None:
    kept = redacted(service, operation, **parameters)
    assert "s3cret" not in str(kept)
    assert HIDDEN in str(kept)


def test_what_is_no_secret_is_kept_as_json_has_it() -> None:
    kept = redacted(
        "sagemaker",
        "CreateTrainingJob",
        TrainingJobName="job",
        RoleArn="arn:aws:iam::1:role/R",
        Tags=[{"Key": "team", "Value": "blue"}],
        EnableNetworkIsolation=True,
        ResourceConfig={"InstanceCount": 2, "VolumeKmsKeyId": "key"},
    )
    assert kept["Tags"] == [{"Key": "team", "Value": "blue"}]
    assert (kept["TrainingJobName"], kept["EnableNetworkIsolation"]) == ("job", True)
    assert kept["ResourceConfig"] == {"InstanceCount": 2, "VolumeKmsKeyId": "key"}
    assert redacted("iam", "DeleteAccessKey", AccessKeyId="AKIA1") == {"AccessKeyId": "AKIA1"}
    time = datetime(2026, 1, 2, tzinfo=UTC)
    assert redacted("cloudtrail", "LookupEvents", StartTime=time) == {"StartTime": "2026-01-02T00:00:00+00:00"}


def test_numbers_that_json_cannot_express_become_text() -> None:
    assert redact(None, {"Threshold": float("nan")}) == {"Threshold": "nan"}


def test_parameters_that_are_very_long_are_left_out() -> None:
    assert redact(None, {"Name": "x" * 30_000}) == {"omitted": "requestParameters too large"}
