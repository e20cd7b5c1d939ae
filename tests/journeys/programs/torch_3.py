"""SDK 3.x: a ModelTrainer on two hosts with torchrun."""

import json

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode
from sagemaker.train.distributed import Torchrun

image = image_uris.retrieve(
    "pytorch", "us-east-1", "2.3.0", py_version="py311", instance_type="ml.m5.large", image_scope="training"
)
trainer = ModelTrainer(
    training_image=image,
    source_code=SourceCode(source_dir="source_torch", entry_script="train_torch.py"),
    role=get_execution_role(),
    sagemaker_session=Session(),
    compute=Compute(instance_type="ml.m5.large", instance_count=2),
    hyperparameters={"epochs": 50},
    distributed=Torchrun(process_count_per_node=1),
)
trainer.train()
job = trainer._latest_training_job.refresh()
print("JOURNEY", json.dumps({"network": job.model_artifacts.s3_model_artifacts}))
