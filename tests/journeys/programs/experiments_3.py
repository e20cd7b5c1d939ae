"""SDK 3.x: runs of an experiment, a job in a run, and analytics."""

import json

from sagemaker.core import image_uris
from sagemaker.core.analytics import ExperimentAnalytics, TrainingJobAnalytics
from sagemaker.core.experiments.run import Run, list_runs, load_run
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.lineage.artifact import Artifact
from sagemaker.core.lineage.query import LineageFilter, LineageQuery, LineageQueryDirectionEnum, LineageSourceEnum
from sagemaker.core.resources import Experiment, TrainingJob, TrialComponent
from sagemaker.core.shapes import (
    AlgorithmSpecification, Channel, DataSource, ExperimentConfig, OutputDataConfig, ResourceConfig,
    S3DataSource, StoppingCondition,
)

session = Session()
name = "journey-of-runs-3"
bucket = session.default_bucket()
data = session.upload_data("train.csv", bucket, "journey-of-runs-3")
with Run(experiment_name=name, run_name="by-hand", sagemaker_session=session) as run:
    run.log_parameters({"rate": 0.5, "depth": 3, "kind": "tree"})
    for step in range(25):
        run.log_metric("loss", 1 / (step + 1), step=step)
    run.log_file("train.csv", name="data", is_output=False)
    run.log_artifact("notes", "s3://somewhere/notes.txt", media_type="text/plain")
with load_run(experiment_name=name, run_name="by-hand", sagemaker_session=session) as again:
    again.log_parameter("later", "yes")

with Run(experiment_name=name, run_name="with-a-job", sagemaker_session=session) as run:
    grouping = run.experiment_config
    job = TrainingJob.create(
        training_job_name="journey-of-runs-3-job",
        role_arn=get_execution_role(),
        algorithm_specification=AlgorithmSpecification(
            training_image=image_uris.retrieve("linear-learner", session.boto_region_name),
            training_input_mode="File",
        ),
        hyper_parameters={"predictor_type": "binary_classifier", "epochs": "4"},
        input_data_config=[
            Channel(
                channel_name="train",
                content_type="text/csv",
                data_source=DataSource(s3_data_source=S3DataSource(s3_data_type="S3Prefix", s3_uri=data)),
            )
        ],
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/journey-of-runs-3-models"),
        resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        experiment_config=ExperimentConfig(
            experiment_name=grouping["ExperimentName"], trial_name=grouping["TrialName"], run_name=grouping["RunName"]
        ),
    )
    job.wait()

runs = list_runs(name, sagemaker_session=session)
table = ExperimentAnalytics(name, sagemaker_session=session, sort_by="metrics.loss.min").dataframe()
curve = TrainingJobAnalytics(job.training_job_name, sagemaker_session=session).dataframe()
(model,) = Artifact.list(source_uri=job.model_artifacts.s3_model_artifacts, sagemaker_session=session)
origin = LineageQuery(session).query(
    [model.artifact_arn],
    direction=LineageQueryDirectionEnum.ASCENDANTS,
    query_filter=LineageFilter(sources=[LineageSourceEnum.DATASET]),
)
of_run = TrialComponent.get(trial_component_name=f"{name}-with-a-job")
found = {
    "runs": sorted(run.run_name for run in runs),
    "parameters": {run.run_name: dict(run._trial_component.parameters) for run in runs},
    "outputs": {run.run_name: sorted(run._trial_component.output_artifacts) for run in runs},
    "statuses": sorted(run._trial_component.status.primary_status for run in runs),
    "components": sorted(table["TrialComponentName"]),
    "least_loss": float(table["loss - Min"].min()),
    "points": float(table["loss - Count"].max()),
    "curve": sorted(set(curve["metric_name"])),
    "job": job.training_job_name,
    "datasets": [Artifact.load(vertex.arn, sagemaker_session=session).source.source_uri for vertex in origin.vertices],
    "data": data,
    "sources": [source.source_arn.rpartition("/")[2] for source in of_run.sources],
    "experiments": [one.experiment_name for one in Experiment.get_all() if one.experiment_name == name],
}
print("JOURNEY", json.dumps(found))
