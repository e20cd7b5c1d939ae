"""Rename the table errands to periodic_tasks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: "Operations") -> None:
    """See the module's docstring."""
    op.rename_table("errands", "periodic_tasks")
    op.drop_index("ix_errands_due_at", "periodic_tasks")
    op.create_index("ix_periodic_tasks_due_at", "periodic_tasks", ["due_at"])
    if op.get_context().dialect.name == "postgresql":  # SQLite renames the index of a primary key by itself
        op.execute("ALTER INDEX errands_pkey RENAME TO periodic_tasks_pkey")
