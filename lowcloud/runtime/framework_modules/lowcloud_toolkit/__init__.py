"""What SageMaker's container toolkits offer to scripts, written for Lowcloud. Other packages here name it."""
