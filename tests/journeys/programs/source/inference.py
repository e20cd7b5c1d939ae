"""How the scikit-learn model is loaded again behind an endpoint."""

import joblib


def model_fn(folder):
    return joblib.load(f"{folder}/model.joblib")
