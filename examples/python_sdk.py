"""The Python SDK: trains and deploys a built-in algorithm and a function, and compares them on held-out data.

Run it with `python examples/python_sdk.py`, in an environment that has Lowcloud, pandas and scikit-learn. If the server
is not running, it is started.
"""

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

import lowcloud

patients = load_breast_cancer(as_frame=True)
frame: pd.DataFrame = patients.data.assign(benign=patients.target)
train, test = train_test_split(frame, test_size=0.3, random_state=7, stratify=frame["benign"])
test_features, test_labels = test.drop(columns="benign"), test["benign"]


def fit_tree(data: pd.DataFrame, parameters: dict[str, int]) -> DecisionTreeClassifier:
    """Fit a decision tree. This function itself runs in the job."""
    model = DecisionTreeClassifier(max_depth=parameters["depth"], random_state=0)
    model.fit(data.drop(columns="benign"), data["benign"])
    print(f"leaves={model.get_n_leaves()}")
    return model


jobs = {
    "linear-learner": lowcloud.train("linear-learner", train, {"predictor_type": "binary_classifier"}, target="benign"),
    "a tree of depth 3": lowcloud.train(fit_tree, train, {"depth": 3}, metrics={"leaves": r"leaves=(\d+)"}),
}
for name, job in jobs.items():
    with job.deploy() as endpoint:
        accuracy = accuracy_score(test_labels, endpoint.predict(test_features))
    print(f"{name}: accuracy {accuracy:.3f} on {len(test)} held-out patients, trained in {job.seconds:.1f} s")
print(jobs["a tree of depth 3"])
