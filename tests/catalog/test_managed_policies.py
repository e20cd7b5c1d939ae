"""Managed policies: those of AWS are data, and all of them are policies."""

import pytest

from lowcloud.catalog import managed_policies as catalog
from lowcloud.core.policies import documents


@pytest.mark.parametrize("name", [policy.name for policy in catalog.list_all()])
def test_a_managed_policy_of_aws_is_a_policy(name: str) -> None:
    assert documents.parse(catalog.document(name), documents.IDENTITY).statements


def test_the_managed_policies_that_sdks_name_are_known() -> None:
    for name in ("AdministratorAccess", "AmazonSageMakerFullAccess", "ReadOnlyAccess", "PowerUserAccess"):
        assert catalog.find(name) is not None
    assert catalog.find("AWSLambdaBasicExecutionRole").path == "/service-role/"
    assert catalog.find("NoSuchAccess") is None
