"""A processing script that splits rows into two parts; each instance writes its own files."""

import argparse
import json
import pathlib

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--share", type=float)
given = parser.parse_args()
base = pathlib.Path("/opt/ml/processing")
resources = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
requested = json.loads(pathlib.Path("/opt/ml/config/processingjobconfig.json").read_text())
host = resources["current_host"]
rows = np.concatenate([np.loadtxt(one, delimiter=",", ndmin=2) for one in sorted((base / "input").glob("*.csv"))])
cut = int(len(rows) * given.share)
print(f"{host} of {len(resources['hosts'])} has {len(rows)} rows for {requested['ProcessingJobName']}")
for name, part in (("train", rows[:cut]), ("test", rows[cut:])):
    (base / name).mkdir(exist_ok=True)
    np.savetxt(base / name / f"{host}.csv", part, delimiter=",")
