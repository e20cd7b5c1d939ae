"""The creation of an endpoint configuration: what can be seen to fail before it serves is refused."""

import pytest

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.serving import endpoint_configurations, models
from lowcloud.core.serving.endpoint_configurations import Configuration
from lowcloud.core.serving.endpoint_records import Variant
from lowcloud.core.serving.models import Model
from lowcloud.home.settings import EXECUTION_ROLE


def test_an_instance_type_that_the_catalogue_does_not_have_is_refused(context: Context) -> None:
    models.create(context, Model("model", 0.0, "linear-learner", EXECUTION_ROLE))
    variant = Variant("all", "model", "ml.x9.large")
    with pytest.raises(InvalidError, match=r"no instance type 'ml\.x9\.large'"):
        endpoint_configurations.create(context, Configuration("one", 0.0, (variant,)))
