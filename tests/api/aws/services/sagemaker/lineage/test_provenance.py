"""The lineage of models: jobs, models and endpoints record how data lead to predictions."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.data.patients import BUCKET, IMAGE, run, with_training_data
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

DATA = f"s3://{BUCKET}/good"


@pytest.fixture(scope="module")
def cloud(server: Server) -> Server:
    return with_training_data(server)


@pytest.fixture(scope="module")
def sagemaker(cloud: Server) -> Any:
    return cloud.client("sagemaker")


@pytest.fixture(scope="module")
def job(cloud: Server, sagemaker: Any) -> dict[str, Any]:
    """A completed training job in a trial of an experiment."""
    sagemaker.create_experiment(ExperimentName="origins")
    sagemaker.create_trial(TrialName="origins-1", ExperimentName="origins")
    grouping = {"ExperimentName": "origins", "TrialName": "origins-1", "TrialComponentDisplayName": "Training"}
    ended = run(cloud, sagemaker, ExperimentConfig=grouping)
    assert ended["TrainingJobStatus"] == "Completed"
    assert ended["ExperimentConfig"] == grouping
    return ended


def origin(sagemaker: Any, arn: str) -> dict[str, list[str]]:
    """Return the lineage of something: the sources of artifacts, and the names of others, by type."""
    vertices = sagemaker.query_lineage(StartArns=[arn], Direction="Ascendants")["Vertices"]
    found: dict[str, list[str]] = {}
    for vertex in vertices:
        is_artifact = vertex["LineageType"] == "Artifact"
        described = sagemaker.describe_artifact(ArtifactArn=vertex["Arn"]) if is_artifact else None
        name = described["Source"]["SourceUri"] if described else vertex["Arn"].rpartition("/")[2]
        found.setdefault(vertex["Type"], []).append(name)
    return found


def test_a_job_has_a_trial_component_with_all_its_details(sagemaker, job):
    (listed,) = sagemaker.list_trial_components(TrialName="origins-1")["TrialComponentSummaries"]
    assert listed["TrialComponentName"] == f"{job['TrainingJobName']}-aws-training-job"
    assert listed["TrialComponentSource"]["SourceType"] == "SageMakerTrainingJob"
    (by_source,) = sagemaker.list_trial_components(SourceArn=job["TrainingJobArn"].lower())["TrialComponentSummaries"]
    assert by_source["TrialComponentName"] == listed["TrialComponentName"]
    found = sagemaker.describe_trial_component(TrialComponentName=listed["TrialComponentName"])
    assert (found["DisplayName"], found["Status"]["PrimaryStatus"]) == ("Training", "Completed")
    assert found["Parameters"]["epochs"] == {"NumberValue": 3.0}
    assert found["Parameters"]["predictor_type"] == {"StringValue": "binary_classifier"}
    assert found["Parameters"]["SageMaker.InstanceType"] == {"StringValue": "ml.c4.xlarge"}
    assert found["InputArtifacts"]["SageMaker.ImageUri"]["Value"] == IMAGE
    assert found["InputArtifacts"]["train"]["Value"] == DATA
    assert found["OutputArtifacts"]["SageMaker.ModelArtifact"]["Value"] == job["ModelArtifacts"]["S3ModelArtifacts"]
    assert found["StartTime"] <= found["EndTime"]
    finals = {one["MetricName"]: one["Value"] for one in job["FinalMetricDataList"]}
    assert finals
    assert {one["MetricName"]: one["Last"] for one in found["Metrics"]} == finals


def test_the_complete_lineage_of_an_endpoint_is_one_call(cloud, sagemaker, job):
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    container = {"Image": IMAGE, "ModelDataUrl": artifact}
    model = sagemaker.create_model(ModelName="origins", PrimaryContainer=container, ExecutionRoleArn=cloud.role)
    variant = {"VariantName": "all", "ModelName": "origins", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="origins", ProductionVariants=[variant])
    endpoint = sagemaker.create_endpoint(EndpointName="origins", EndpointConfigName="origins")["EndpointArn"]
    (context,) = sagemaker.list_contexts(SourceUri=endpoint)["ContextSummaries"]
    found = origin(sagemaker, context["ContextArn"])
    component = f"{job['TrainingJobName']}-aws-training-job"
    assert found["Endpoint"] == ["origins-aws-endpoint"]
    assert len(found["ModelDeployment"]) == 1
    assert found["Model"] == [model["ModelArn"], artifact]
    assert found["TrainingJob"] == [component]
    assert found["Image"] == [IMAGE]
    assert found["DataSet"] == [DATA]
    (of_model,) = sagemaker.list_artifacts(SourceUri=model["ModelArn"])["ArtifactSummaries"]
    assert origin(sagemaker, of_model["ArtifactArn"])["DataSet"] == [DATA]
    sagemaker.delete_endpoint(EndpointName="origins")


def test_jobs_that_read_the_same_data_share_its_artifact_until_the_data_changes(cloud, sagemaker):
    s3 = cloud.client("s3")
    uri = f"s3://{BUCKET}/shared/train.csv"
    body = s3.get_object(Bucket=BUCKET, Key="good/train.csv")["Body"].read()

    def artifacts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = sagemaker.list_artifacts(SourceUri=uri, ArtifactType="DataSet")[
            "ArtifactSummaries"
        ]
        return found

    etag = s3.put_object(Bucket=BUCKET, Key="shared/train.csv", Body=body)["ETag"].strip('"')
    for _ in range(2):
        run(cloud, sagemaker, prefix="shared/train.csv")
    (first,) = artifacts()
    assert first["Source"]["SourceTypes"] == [{"SourceIdType": "S3ETag", "Value": etag}]
    assert len(sagemaker.list_associations(SourceArn=first["ArtifactArn"])["AssociationSummaries"]) == 2
    s3.put_object(Bucket=BUCKET, Key="shared/train.csv", Body=body + body)
    run(cloud, sagemaker, prefix="shared/train.csv")
    assert len(artifacts()) == 2


def test_the_lineage_of_a_failed_job_has_its_status(cloud, sagemaker):
    ended = run(cloud, sagemaker, prefix="nothing-there")
    assert ended["TrainingJobStatus"] == "Failed"
    (listed,) = sagemaker.list_trial_components(SourceArn=ended["TrainingJobArn"])["TrialComponentSummaries"]
    assert listed["Status"]["PrimaryStatus"] == "Failed"
    assert listed["Status"]["Message"] == ended["FailureReason"]
    outgoing = sagemaker.list_associations(SourceArn=listed["TrialComponentArn"])["AssociationSummaries"]
    assert outgoing == [], "it produced nothing"


def test_an_experiment_alone_gets_a_trial_and_one_that_does_not_exist_no_job(cloud, sagemaker, job):
    ended = run(cloud, sagemaker, ExperimentConfig={"ExperimentName": "origins"})
    trial = f"{ended['TrainingJobName']}-aws-trial"
    assert sagemaker.describe_trial(TrialName=trial)["ExperimentName"] == "origins"
    assert len(sagemaker.list_trial_components(TrialName=trial)["TrialComponentSummaries"]) == 1
    for grouping in ({"ExperimentName": "nowhere"}, {"TrialName": "nowhere"}, {"RunName": "nowhere"}):
        with pytest.raises(ClientError, match="nowhere") as caught:
            run(cloud, sagemaker, ExperimentConfig=grouping, TrainingJobName="of-nowhere")
        assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
    with pytest.raises(ClientError, match="not found"):
        sagemaker.describe_training_job(TrainingJobName="of-nowhere")


def test_search_finds_jobs_by_parameters_and_metrics(sagemaker, job):
    metric = job["FinalMetricDataList"][0]
    name, value = metric["MetricName"], metric["Value"]
    filters = [
        {"Name": "HyperParameters.epochs", "Operator": "Equals", "Value": "3"},
        {"Name": f"Metrics.{name}", "Operator": "LessThanOrEqualTo", "Value": repr(value)},
        {"Name": "TrainingJobStatus", "Operator": "Equals", "Value": "Completed"},
        {"Name": "ExperimentConfig.ExperimentName", "Operator": "Equals", "Value": "origins"},
    ]
    channel = {"Name": "InputDataConfig.ChannelName", "Operator": "Equals", "Value": "train"}
    source = {"Name": "InputDataConfig.DataSource.S3DataSource.S3Uri", "Operator": "Contains", "Value": "good"}
    nested = [{"NestedPropertyName": "InputDataConfig", "Filters": [channel, source]}]

    def found() -> Any:
        answer = sagemaker.search(
            Resource="TrainingJob",
            SearchExpression={"Filters": filters, "NestedFilters": nested},
            SortBy=f"Metrics.{name}",
            SortOrder="Ascending",
        )
        return [one["TrainingJob"]["TrainingJobName"] for one in answer["Results"]]

    assert job["TrainingJobName"] in wait_for(found)
