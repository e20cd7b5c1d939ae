"""Runs of an experiment with the SDK's Run, and its analytics."""

import json
import sys

import sagemaker
from sagemaker import LinearLearner, get_execution_role, image_uris
from sagemaker.analytics import ExperimentAnalytics, TrainingJobAnalytics
from sagemaker.estimator import Estimator
from sagemaker.experiments import Run, list_runs, load_run
from sagemaker.experiments import experiment
from sagemaker.experiments.experiment import Experiment
from sagemaker.inputs import TrainingInput
from sagemaker.lineage.artifact import Artifact
from sagemaker.lineage.query import LineageFilter, LineageQuery, LineageQueryDirectionEnum, LineageSourceEnum

session = sagemaker.Session()
name = "journey-of-runs"
with Run(experiment_name=name, run_name="by-hand", sagemaker_session=session, tags=[{"Key": "k", "Value": "v"}]) as run:
    run.log_parameter("rate", 0.5)
    run.log_parameters({"depth": 3, "kind": "tree"})
    for step in range(25):
        run.log_metric("loss", 1 / (step + 1), step=step)
    run.log_file("train.csv", name="data", is_output=False)
    run.log_artifact("notes", "s3://somewhere/notes.txt", media_type="text/plain")
    labels, scores = [0, 1, 1, 0], [0.1, 0.9, 0.8, 0.4]
    run.log_confusion_matrix(labels, [0, 1, 0, 0], title="confusion")
    run.log_roc_curve(labels, scores, title="roc")
    run.log_precision_recall(labels, scores, title="precision-recall")

with load_run(experiment_name=name, run_name="by-hand", sagemaker_session=session) as again:
    again.log_parameter("later", "yes")

bucket = session.default_bucket()
data = session.upload_data("train.csv", bucket, "journey-of-runs")
with Run(experiment_name=name, run_name="with-a-job", sagemaker_session=session) as run:
    estimator = Estimator(
        image_uri=image_uris.retrieve("linear-learner", session.boto_region_name),
        role=get_execution_role(),
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        output_path=f"s3://{bucket}/journey-of-runs-models",
        hyperparameters={"predictor_type": "binary_classifier", "epochs": 4},
    )
    estimator.fit({"train": TrainingInput(data, content_type="text/csv")}, logs=False)

job = estimator.latest_training_job.name
runs = list_runs(name, sagemaker_session=session)
table = ExperimentAnalytics(name, sagemaker_session=session, sort_by="metrics.loss.min").dataframe()
curve = TrainingJobAnalytics(job, sagemaker_session=session).dataframe()
(model,) = Artifact.list(source_uri=estimator.model_data, sagemaker_session=session)
origin = LineageQuery(session).query(
    [model.artifact_arn],
    direction=LineageQueryDirectionEnum.ASCENDANTS,
    query_filter=LineageFilter(sources=[LineageSourceEnum.DATASET]),
)
found = {
    "runs": sorted(run.run_name for run in runs),
    "parameters": {run.run_name: dict(run._trial_component.parameters) for run in runs},
    "outputs": {run.run_name: sorted(run._trial_component.output_artifacts) for run in runs},
    "statuses": sorted(run._trial_component.status.primary_status for run in runs),
    "components": sorted(table["TrialComponentName"]),
    "least_loss": float(table["loss - Min"].min()),
    "points": float(table["loss - Count"].max()),
    "curve": sorted(set(curve["metric_name"])) if len(curve) else [],
    "job": job,
    "datasets": [Artifact.load(vertex.arn, sagemaker_session=session).source.source_uri for vertex in origin.vertices],
    "data": data,
}
experiment.time.sleep = lambda _: None  # the SDK sleeps between deletions
Experiment.load(name, sagemaker_session=session)._delete_all("--force")
print("JOURNEY", json.dumps(found))
