"""Tables of experiments and lineage."""

from typing import Any

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, String, Table, Text, func

from lowcloud.store.db.tables.schema import metadata

# Experiments. Names are unique regardless of case.


def _tracked(*columns: Column[Any]) -> list[Column[Any]]:
    """The columns that all tracked resources have."""
    return [
        Column("display_name", String(120)),  # null: the name
        Column("created_at", Float, nullable=False, index=True),
        Column("modified_at", Float, nullable=False, index=True),
        *columns,
    ]


experiments = Table(
    "experiments",
    metadata,
    Column("name", String(120), primary_key=True),
    *_tracked(Column("description", Text)),
)
Index("experiment_in_any_case", func.lower(experiments.c.name), unique=True)

trials = Table(
    "trials",
    metadata,
    Column("name", String(120), primary_key=True),
    *_tracked(
        Column("experiment", ForeignKey("experiments.name"), nullable=False, index=True),
        Column("metadata", JSON, nullable=False),
    ),
)
Index("trial_in_any_case", func.lower(trials.c.name), unique=True)

trial_components = Table(
    "trial_components",
    metadata,
    Column("name", String(120), primary_key=True),
    *_tracked(
        Column("source", String),  # the subject of the job that it describes; null: created by a user
        Column("run", String(120)),  # the trial component (a user's run) that the job belongs to
        Column("status", String(16)),  # null: not given
        Column("message", Text, nullable=False, server_default=""),
        Column("started_at", Float),
        Column("ended_at", Float),
        Column("parameters", JSON, nullable=False),
        Column("inputs", JSON, nullable=False),
        Column("outputs", JSON, nullable=False),
        Column("metadata", JSON, nullable=False),
    ),
)
Index("trial_component_in_any_case", func.lower(trial_components.c.name), unique=True)
Index("trial_component_of_source", func.lower(trial_components.c.source))
Index("trial_components_of_run", trial_components.c.run)

trial_members = Table(
    "trial_members",
    metadata,
    Column("trial", ForeignKey("trials.name"), primary_key=True),
    Column("component", ForeignKey("trial_components.name"), primary_key=True, index=True),
)

# Lineage.

lineage_entities = Table(
    "lineage_entities",
    metadata,
    Column("kind", String(16), primary_key=True),  # "artifact", "action" or "context"
    Column("name", String(120), primary_key=True),  # of an artifact: derived from its source
    *_tracked(
        Column("type", String(256), nullable=False),  # "DataSet", "Model", "Endpoint" ...
        Column("source", String(2048), nullable=False),  # URI, or "subject:" and a subject of this cloud
        Column("source_details", JSON, nullable=False),  # what distinguishes versions of one source, such as an ETag
        Column("status", String(16)),
        Column("description", Text),
        Column("properties", JSON, nullable=False),
        Column("metadata", JSON, nullable=False),
    ),
    Index("lineage_entities_of_source", "kind", "source", "created_at"),
    Index("lineage_entities_by_age", "kind", "created_at", "name"),
)

associations = Table(
    "associations",
    metadata,
    Column("name", String(320), primary_key=True),  # source and destination, which identify it
    Column("source", String(160), nullable=False, index=True),  # subjects, e.g. "artifact/NAME"
    Column("source_type", String(256), nullable=False),
    Column("destination", String(160), nullable=False, index=True),
    Column("destination_type", String(256), nullable=False),
    Column("type", String(16)),  # null: not given
    Column("created_at", Float, nullable=False, index=True),
    sqlite_with_rowid=False,
)
