"""SageMaker, one module per resource; importing it enters every operation into the table."""

from lowcloud.aws.sagemaker import endpoint_configurations, endpoints, models, processing_jobs, tags, training_jobs

__all__ = ["endpoint_configurations", "endpoints", "models", "processing_jobs", "tags", "training_jobs"]
