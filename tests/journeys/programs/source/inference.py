"""Loads the scikit-learn model in an endpoint."""

import joblib


def model_fn(folder):
    return joblib.load(f"{folder}/model.joblib")
