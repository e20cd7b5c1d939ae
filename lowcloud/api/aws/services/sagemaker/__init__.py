"""SageMaker, one module for each resource."""
