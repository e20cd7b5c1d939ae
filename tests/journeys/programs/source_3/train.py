"""A script for ModelTrainer: arguments and SM_* variables, requirements, checkpoints, and a failure on demand."""

import argparse
import json
import os
import pathlib

import greeting

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--layers", type=json.loads)
parser.add_argument("--fail", default="no")
given = parser.parse_args()
if given.fail == "yes":
    raise RuntimeError("the rate is far too high")
lines = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "train.csv").read_text().splitlines()
print(f"{greeting.WORD}: {len(lines)} lines, rate={given.rate};", flush=True)
checkpoints = pathlib.Path("/opt/ml/checkpoints")
pathlib.Path(checkpoints, "last").write_text("epoch 1")
facts = {"rate": given.rate, "layers": given.layers, "hps": json.loads(os.environ["SM_HPS"]), "lines": len(lines)}
facts["named"] = {name: os.environ.get(name) for name in ("SM_CURRENT_HOST", "SM_SOURCE_DIR", "SM_ENTRY_SCRIPT")}
pathlib.Path(os.environ["SM_MODEL_DIR"], "facts.json").write_text(json.dumps(facts))
