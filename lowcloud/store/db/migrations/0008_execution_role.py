"""Limit roles to their policies; LowcloudExecutionRole gets AmazonSageMakerFullAccess and AmazonS3FullAccess.

Before this version every role could do everything. The execution role keeps what jobs rely on: SageMaker and all
buckets, whereas that of a new home has the buckets that are named after SageMaker.
"""

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations

ROLE = "lowcloudexecutionrole"
WRITTEN = """{"Version": "2012-10-17", "Statement": [
 {"Effect": "Allow", "Action": "logs:FilterLogEvents", "Resource": "arn:aws:logs:*:*:log-group:/aws/sagemaker/*"},
 {"Effect": "Allow", "Action": "iam:GetRole", "Resource": "arn:aws:iam::*:role/LowcloudExecutionRole"}
]}"""
POLICIES = ("AmazonSageMakerFullAccess", "AmazonS3FullAccess")


def upgrade(op: "Operations") -> None:
    """See the module's docstring."""
    roles = sa.table("roles", sa.column("account"), sa.column("name"), sa.column("id"))
    attachments = sa.table("policy_attachments", sa.column("account"), sa.column("owner"), sa.column("policy"))
    written = sa.table("inline_policies", *(sa.column(name) for name in ("account", "owner", "name", "document")))
    connection = op.get_bind()
    for role in connection.execute(sa.select(roles).where(sa.func.lower(roles.c.name) == ROLE)).all():
        own = sa.select(attachments.c.policy).where(attachments.c.owner == role.id)
        attached = set(connection.execute(own).scalars())
        for policy in POLICIES:
            arn = f"arn:aws:iam::aws:policy/{policy}"
            if arn not in attached:
                connection.execute(attachments.insert().values(account=role.account, owner=role.id, policy=arn))
        has_one = connection.execute(sa.select(written).where(written.c.owner == role.id, written.c.name == "Lowcloud"))
        if has_one.first() is None:
            row = {"account": role.account, "owner": role.id, "name": "Lowcloud", "document": WRITTEN}
            connection.execute(written.insert().values(row))
