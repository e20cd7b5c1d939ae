"""The creation of a job: what can be seen to fail before it runs is refused."""

from dataclasses import replace

import pytest

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs import creation
from lowcloud.core.jobs.training import TRAINING
from tests.core.jobs.test_lifecycle import SPECIFICATION


def test_an_instance_type_that_the_catalogue_does_not_have_is_refused(context: Context) -> None:
    with pytest.raises(InvalidError, match=r"no instance type 'ml\.x9\.large'"):
        creation.create(context, TRAINING, "job", replace(SPECIFICATION, instance_type="ml.x9.large"))
