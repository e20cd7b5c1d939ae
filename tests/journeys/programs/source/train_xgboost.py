"""A user's script on XGBoost's image: boosted trees, saved in the same format as by the built-in algorithm."""

import argparse
import os

import numpy as np
import xgboost

parser = argparse.ArgumentParser()
parser.add_argument("--max_depth", type=int)
parser.add_argument("--num_round", type=int)
given = parser.parse_args()
rows = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv"), delimiter=",")
matrix = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
parameters = {"max_depth": given.max_depth, "objective": "binary:logistic", "tree_method": "exact", "nthread": 1}
booster = xgboost.train(parameters, matrix, given.num_round, evals=[(matrix, "train")])
booster.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "xgboost-model"))
