"""XGBoost of SDK 2.x: the built-in algorithm, and a user's script."""

import json

import sagemaker
from sagemaker import get_execution_role, image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.xgboost import XGBoost

session = sagemaker.Session()
data = session.upload_data("train.csv", session.default_bucket(), "xgboost")
common = {
    "role": get_execution_role(),
    "instance_count": 1,
    "instance_type": "ml.m5.large",
    "sagemaker_session": session,
}
parameters = {"max_depth": 3, "num_round": 7}
algorithm = Estimator(
    image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
    hyperparameters={**parameters, "objective": "binary:logistic", "tree_method": "exact"},
    **common,
)
algorithm.fit({"train": TrainingInput(data, content_type="text/csv")})
script = XGBoost("train_xgboost.py", source_dir="source", framework_version="1.7-1", hyperparameters=parameters, **common)
script.fit({"train": data})
found = {name: one.model_data for name, one in (("algorithm", algorithm), ("script", script))}
print("JOURNEY", json.dumps(found))
