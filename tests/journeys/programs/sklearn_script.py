"""The script of a scikit-learn estimator: it trains, and is asked to serve what it saved."""

import argparse
import os

import joblib
import numpy as np
from sklearn.tree import DecisionTreeClassifier


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-depth", type=int)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    arguments = parser.parse_args()
    rows = np.loadtxt(os.path.join(arguments.train, "train.csv"), delimiter=",")
    model = DecisionTreeClassifier(max_depth=arguments.max_depth, random_state=0).fit(rows[:, 1:], rows[:, 0])
    print(f"accuracy={model.score(rows[:, 1:], rows[:, 0])};")
    joblib.dump(model, os.path.join(arguments.model_dir, "model.joblib"))
