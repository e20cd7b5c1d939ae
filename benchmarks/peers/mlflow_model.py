"""Save a scikit-learn model for `mlflow models serve`: `python mlflow_model.py PICKLE FOLDER`."""

import pickle
import sys
from pathlib import Path

import mlflow.sklearn

if __name__ == "__main__":
    with Path(sys.argv[1]).open("rb") as file:
        mlflow.sklearn.save_model(pickle.load(file), sys.argv[2], pyfunc_predict_fn="predict_proba")
