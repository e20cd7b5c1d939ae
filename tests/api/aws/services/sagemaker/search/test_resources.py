"""Every kind of resource that Search can be asked for is searched, or refused by name."""

from lowcloud.api.aws.operations import OPERATIONS
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.services.sagemaker.search.resources import RESOURCES


def test_every_resource_of_search_is_searched_or_refused():
    service = load_service("sagemaker")
    assert service is not None
    named = set(service.operation("Search").input_shape.members["Resource"].enum)
    refused = {name.removeprefix("Resource=") for name in OPERATIONS["sagemaker", "Search"].refused}
    assert set(RESOURCES) == named - refused
