"""A remote function of SDK 2.x: its result, its error, and the location of its data."""

import json
import sys

import sagemaker
from sagemaker.remote_function import RemoteExecutor, remote

common = {"image_uri": sys.argv[1], "instance_type": "ml.m5.large", "sagemaker_session": sagemaker.Session()}


@remote(**common)
def mean_of(numbers, *, scale=1):
    import os

    print("computing far away")
    return {"mean": scale * sum(numbers) / len(numbers), "job": os.environ["TRAINING_JOB_NAME"]}


@remote(**common)
def divide(number, by):
    return number / by


found = {"result": mean_of([1, 2, 6], scale=2)}
try:
    divide(1, 0)
except ZeroDivisionError as error:
    found["error"] = str(error)


def square(number):
    return number * number


with RemoteExecutor(max_parallel_jobs=2, **common) as executor:
    found["squares"] = [future.result() for future in [executor.submit(square, number) for number in (3, 4)]]
print("JOURNEY", json.dumps(found))
