"""scikit-learn as public examples of inference pipelines use it: a fitted transformer that answers features."""

import io
import os

import joblib
import pandas as pd
from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker  # noqa: F401
from sklearn.preprocessing import StandardScaler


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


def input_fn(input_data, content_type):
    if content_type != content_types.CSV:
        raise ValueError(f"{content_type} not supported by script!")
    return pd.read_csv(io.StringIO(input_data), header=None)


def predict_fn(input_data, model):
    return model.transform(input_data)


def output_fn(prediction, accept):
    if accept == "application/json":
        instances = [{"features": row.tolist()} for row in prediction]
        return worker.Response(encoders.encode({"instances": instances}, accept), mimetype=accept)
    return worker.Response(encoders.encode(prediction, accept), mimetype=accept)


if __name__ == "__main__":
    folder = os.environ["SM_CHANNEL_TRAIN"]
    rows = pd.concat([pd.read_csv(os.path.join(folder, name), header=None) for name in os.listdir(folder)])
    joblib.dump(StandardScaler().fit(rows.iloc[:, 1:]), os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
