"""Every table, a module for each subject. Times are seconds since the epoch; `document` columns are only read whole."""

from lowcloud.store.db.tables.experiments import (
    associations,
    experiments,
    lineage_entities,
    trial_components,
    trial_members,
    trials,
)
from lowcloud.store.db.tables.identity import role_attachments, role_policies, roles
from lowcloud.store.db.tables.jobs import (
    endpoint_configurations,
    endpoints,
    events,
    images,
    models,
    periodic_tasks,
    processing_jobs,
    tags,
    training_jobs,
)
from lowcloud.store.db.tables.objects import (
    access_lists,
    bucket_configurations,
    buckets,
    contents,
    object_events,
    objects,
    parts,
    uploads,
)
from lowcloud.store.db.tables.schema import SCHEMA_VERSION, metadata, schema_version, store_identity
from lowcloud.store.db.tables.telemetry import log_events, log_groups, log_streams, metric_points, metric_summaries

__all__ = [
    "SCHEMA_VERSION",
    "access_lists",
    "associations",
    "bucket_configurations",
    "buckets",
    "contents",
    "endpoint_configurations",
    "endpoints",
    "events",
    "experiments",
    "images",
    "lineage_entities",
    "log_events",
    "log_groups",
    "log_streams",
    "metadata",
    "metric_points",
    "metric_summaries",
    "models",
    "object_events",
    "objects",
    "parts",
    "periodic_tasks",
    "processing_jobs",
    "role_attachments",
    "role_policies",
    "roles",
    "schema_version",
    "store_identity",
    "tags",
    "training_jobs",
    "trial_components",
    "trial_members",
    "trials",
    "uploads",
]
