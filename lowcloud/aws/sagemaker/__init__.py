"""SageMaker, one module per resource; importing it enters every operation into the table."""

from lowcloud.aws.sagemaker import (
    actions,
    artifacts,
    associations,
    contexts,
    endpoint_configurations,
    endpoints,
    experiments,
    lineage,
    models,
    processing_jobs,
    search,
    tags,
    training_jobs,
    trial_components,
    trials,
)

__all__ = [
    "actions",
    "artifacts",
    "associations",
    "contexts",
    "endpoint_configurations",
    "endpoints",
    "experiments",
    "lineage",
    "models",
    "processing_jobs",
    "search",
    "tags",
    "training_jobs",
    "trial_components",
    "trials",
]
