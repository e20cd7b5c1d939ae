"""The short way: a built-in algorithm and a function of one's own, trained, deployed and compared on held-out patients.

Run it with `python examples/short_way.py`, in an environment that has Lowcloud, pandas and scikit-learn. The cloud is
started where it does not run.
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
questions, truth = test.drop(columns="benign"), test["benign"]


def tree(data: pd.DataFrame, parameters: dict[str, int]) -> DecisionTreeClassifier:
    """What trains is this very function, in a job."""
    model = DecisionTreeClassifier(max_depth=parameters["depth"], random_state=0)
    model.fit(data.drop(columns="benign"), data["benign"])
    print(f"leaves={model.get_n_leaves()}")
    return model


jobs = {
    "linear-learner": lowcloud.train("linear-learner", train, {"predictor_type": "binary_classifier"}, target="benign"),
    "a tree of depth 3": lowcloud.train(tree, train, {"depth": 3}, metrics={"leaves": r"leaves=(\d+)"}),
}
for name, job in jobs.items():
    with job.deploy() as endpoint:
        accuracy = accuracy_score(truth, endpoint.predict(questions))
    print(f"{name}: accuracy {accuracy:.3f} on {len(test)} patients it has not seen, trained in {job.seconds:.1f} s")
print(jobs["a tree of depth 3"])
