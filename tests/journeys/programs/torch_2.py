"""PyTorch and HuggingFace of SDK 2.x: two hosts with torchrun, deployment, and a tiny transformer."""

import json

import numpy as np
import sagemaker
from sagemaker import get_execution_role
from sagemaker.huggingface import HuggingFace
from sagemaker.pytorch import PyTorch

common = {
    "source_dir": "source_torch",
    "role": get_execution_role(),
    "instance_type": "ml.g5.xlarge",  # the SDK requires a GPU type; here it also runs without GPUs
    "metric_definitions": [{"Name": "loss", "Regex": "loss=([0-9.e-]+);"}],
    "sagemaker_session": sagemaker.Session(),
}
network = PyTorch(
    entry_point="train_torch.py",
    framework_version="2.3.0",
    py_version="py311",
    instance_count=2,
    hyperparameters={"epochs": 50},
    distribution={"torch_distributed": {"enabled": True}},
    **common,
)
network.fit()
predictor = network.create_model(entry_point="inference.py", source_dir="source_torch").deploy(1, "ml.m5.large")
answer = predictor.predict(np.eye(4, dtype="float32")).round(3).tolist()
predictor.delete_endpoint()
transformer = HuggingFace(
    entry_point="train_transformer.py",
    transformers_version="4.36.0",
    pytorch_version="2.1.0",
    py_version="py310",
    instance_count=1,
    **common,
)
transformer.fit()
print("JOURNEY", json.dumps({"network": network.model_data, "transformer": transformer.model_data, "answer": answer}))
