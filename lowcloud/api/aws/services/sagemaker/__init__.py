"""SageMaker, one module per resource; importing it enters every operation into the table."""

from lowcloud.api.aws.services.sagemaker import tags
from lowcloud.api.aws.services.sagemaker.experiments import experiments, trial_components, trials
from lowcloud.api.aws.services.sagemaker.inference import endpoint_configurations, endpoints, models
from lowcloud.api.aws.services.sagemaker.jobs import processing_jobs, training_jobs
from lowcloud.api.aws.services.sagemaker.lineage import actions, artifacts, associations, contexts, lineage
from lowcloud.api.aws.services.sagemaker.search import search

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
