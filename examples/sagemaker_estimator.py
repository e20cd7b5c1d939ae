"""A SageMaker program that trains, deploys and predicts on real data, compared with scikit-learn.

Run it with `scripts/demo`, or in any environment that has the SageMaker SDK 2.x and scikit-learn:
`lowcloud run python examples/sagemaker_estimator.py`. The lines between the two rules are unchanged SageMaker code.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS: dict[str, float] = {}


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step, and record its duration."""
    print(f"\n== {name} ...", flush=True)
    start = time.perf_counter()
    yield
    SECONDS[name] = time.perf_counter() - start


with step("Import scikit-learn and split the breast-cancer data"):
    import numpy as np
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    patients = load_breast_cancer()
    ten_means = patients.data[:, :10].astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(
        ten_means, patients.target, test_size=0.3, random_state=7, stratify=patients.target
    )

with step("Import the SageMaker SDK"):
    # ------------------------------------------------------------------------------------------------------------
    import sagemaker
    from sagemaker import get_execution_role

with step("Open a session"):
    sagemaker_session = sagemaker.Session()
    role = get_execution_role()
    bucket = sagemaker_session.default_bucket()
    data_location = "s3://{}/my-data".format(bucket)  # noqa: UP032

with step("Upload the training data"):
    rows = np.column_stack([y_train, x_train])  # linear-learner reads the label from the first column
    content = "\n".join(",".join(f"{value:.9g}" for value in row) for row in rows)
    sagemaker_session.upload_string_as_file_body(content, bucket=bucket, key="my-data/train.csv")

with step("Train"):
    from sagemaker.amazon.amazon_estimator import get_image_uri

    container = get_image_uri(sagemaker_session.boto_region_name, "linear-learner")
    linear = sagemaker.estimator.Estimator(
        container,
        role,
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        output_path="s3://{}/output".format(bucket),  # noqa: UP032
        sagemaker_session=sagemaker_session,
    )
    linear.set_hyperparameters(feature_dim=10, predictor_type="binary_classifier")
    linear.fit({"train": data_location})
    # ------------------------------------------------------------------------------------------------------------

with step("Deploy"):
    from sagemaker.deserializers import JSONDeserializer
    from sagemaker.serializers import CSVSerializer

    predictor = linear.deploy(
        initial_instance_count=1,
        instance_type="ml.m4.xlarge",
        serializer=CSVSerializer(),
        deserializer=JSONDeserializer(),
    )

with step(f"Predict {len(x_test)} rows"):
    response = predictor.predict(x_test)
    lowcloud_labels = np.array([row["predicted_label"] for row in response["predictions"]])

with step("Delete the endpoint"):
    predictor.delete_endpoint()

with step("Train scikit-learn on the same rows"):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(x_train, y_train)
    sklearn_labels = pipeline.predict(x_test)

print(f"\n{'':12}{'Lowcloud':>14}{'scikit-learn':>14}")
for name, score in (
    ("accuracy", accuracy_score),
    ("precision", precision_score),
    ("recall", recall_score),
    ("F1", f1_score),
):
    print(f"{name:12}{score(y_test, lowcloud_labels):14.4f}{score(y_test, sklearn_labels):14.4f}")
print()
for name, seconds in SECONDS.items():
    print(f"{seconds:8.2f} s  {name}")
print(f"\nThe model is stored at {linear.model_data}")
