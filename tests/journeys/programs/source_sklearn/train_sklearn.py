"""A typical script for SageMaker's scikit-learn: arguments, SM_* variables, and a literal path."""

import argparse
import json
import os
import pathlib

import greeting
import joblib
import numpy as np
import shapes
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--strength", type=float)
parser.add_argument("--note")
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
given = parser.parse_args()

print(greeting.WORD, "and", shapes.SIDES, "sides of", os.environ["EXTRA"])
rows = np.loadtxt(f"{given.train}/train.csv", delimiter=",")
model = LogisticRegression(C=given.strength, max_iter=5000).fit(rows[:, 1:], rows[:, 0])
for epoch in range(3):
    print(f"epoch {epoch}: loss={1 / (epoch + 1):.6f};")
print(f"accuracy={model.score(rows[:, 1:], rows[:, 0]):.6f};")
joblib.dump(model, f"{given.model_dir}/model.joblib")
pathlib.Path("/opt/ml/output/data/facts.json").write_text(json.dumps({**vars(given), "hps": os.environ["SM_HPS"]}))
