"""What a role was refused outside of requests is in the audit log."""

import pytest

from lowcloud.core.audit import log, writer
from lowcloud.core.audit.log import Query
from lowcloud.core.context import Context
from lowcloud.core.identity.access import AccessDeniedError
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.home.settings import EXECUTION_ROLE


def test_an_input_that_the_role_of_a_job_may_not_read_is_recorded(context: Context) -> None:
    with pytest.raises(AccessDeniedError):
        ObjectAccess.of_role(context, EXECUTION_ROLE, "churn").require_read("patients", "2026.csv")
    writer.of(context).close()
    ((_, found),) = log.find(context, Query(context.account_id, name="churn"), 10)
    assert (found.operation, found.is_refused, found.asked[0].resource) == (
        "GetObject",
        True,
        "arn:aws:s3:::patients/2026.csv",
    )
    assert found.actor.role == f"arn:aws:iam::{context.account_id}:role/{EXECUTION_ROLE}"
