"""XGBoost as public examples train it: the container's modules, checkpoints, and all hosts together where there are two."""

import argparse
import json
import os
import pickle

import numpy as np
import xgboost
from sagemaker_containers import entry_point
from sagemaker_containers.beta.framework import content_types, encoders, worker
from sagemaker_xgboost_container import checkpointing, distributed
from sagemaker_xgboost_container import encoder as xgb_encoders
from sagemaker_xgboost_container.data_utils import get_dmatrix


def train(params, dtrain, evals, num_boost_round, model_dir, is_master):
    booster = xgboost.train(params=params, dtrain=dtrain, evals=evals, num_boost_round=num_boost_round)
    if is_master:
        with open(os.path.join(model_dir, "xgboost-model"), "wb") as file:
            pickle.dump(booster, file)


def model_fn(model_dir):
    with open(os.path.join(model_dir, "xgboost-model"), "rb") as file:
        return pickle.load(file)


def input_fn(body, content_type):
    return xgb_encoders.decode(body, content_type)


def output_fn(prediction, accept):
    if accept == content_types.CSV:
        return worker.Response(encoders.encode(np.array(prediction), accept), mimetype=accept)
    return worker.Response(json.dumps({"predictions": [{"score": float(one)} for one in prediction]}), mimetype=accept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_depth", type=int)
    parser.add_argument("--num_round", type=int)
    parser.add_argument("--model_dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    parser.add_argument("--sm_hosts", default=os.environ["SM_HOSTS"])
    parser.add_argument("--sm_current_host", default=os.environ["SM_CURRENT_HOST"])
    args, _ = parser.parse_known_args()
    hosts = args.sm_hosts if isinstance(args.sm_hosts, list) else json.loads(args.sm_hosts.replace("'", '"'))
    matrix = get_dmatrix(args.train, "csv")
    params = {"max_depth": args.max_depth, "objective": "binary:logistic", "nthread": 1}
    given = {
        "params": params,
        "dtrain": matrix,
        "evals": [(matrix, "train")],
        "num_boost_round": args.num_round,
    }
    if len(hosts) > 1:
        entry_point._wait_hostname_resolution()
        distributed.rabit_run(
            exec_fun=train,
            args={**given, "model_dir": args.model_dir},
            include_in_training=(matrix is not None),
            hosts=hosts,
            current_host=args.sm_current_host,
            update_rabit_args=True,
        )
    else:
        booster = checkpointing.train(given, "/opt/ml/checkpoints")
        with open(os.path.join(args.model_dir, "xgboost-model"), "wb") as file:
            pickle.dump(booster, file)
