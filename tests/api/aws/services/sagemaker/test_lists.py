"""List requests, as far as botocore's models do not describe them."""

import pytest

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.services.sagemaker.lists import read_page
from lowcloud.core.context import Context
from lowcloud.core.serving.models import MODEL


def test_a_sort_order_that_is_not_implemented_is_refused_by_name(context: Context) -> None:
    with pytest.raises(AwsError, match="FinalObjectiveMetricValue") as refused:
        read_page(context, {"SortBy": "FinalObjectiveMetricValue"}, MODEL)
    assert refused.value.code == "ValidationException"
    assert read_page(context, {"SortBy": "Name"}, MODEL).records == []
