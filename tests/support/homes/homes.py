"""Sample homes: what each released version left on disk, to be opened, upgraded and used by every later version."""

import hashlib
import io
import json
import math
import random
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.data.tables import csv_of
from tests.support.databases.postgres import PostgresServer
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

HOMES = Path(__file__).parents[2] / "store" / "homes"
EXPECTED = "expected.json"  # what the version that made the home answered
DUMP = "database.sql"  # of a home whose rows are in PostgreSQL
LEFT_OUT = {"reserve", "server.lock", "server.log", "client", "sockets", "store.json"}  # made anew by each start

ALGORITHM = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
BUCKET = "sample-bucket"
ENDPOINT = "sample-endpoint"
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
SIZES = {"small": 1_000, "large": 70_000, "in parts": 66_000}  # in the database, in a file, in a file of parts
QUESTION = csv_of([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])


def fill(cloud: Server) -> None:
    """Put something of every kind into a new cloud."""
    _fill_bucket(cloud.client("s3"))
    _fill_roles(cloud.client("iam"))
    _fill_people(cloud.client("iam"))
    _run_jobs(cloud)
    _deploy(cloud)
    _track(cloud)


def observe(cloud: Server) -> dict[str, Any]:
    """Return everything that `fill` created, as the API describes it: JSON that later versions must not change."""
    sagemaker, iam = cloud.client("sagemaker"), cloud.client("iam")
    found = {
        "objects": _objects(cloud.client("s3")),
        "training job": sagemaker.describe_training_job(TrainingJobName="sample-training"),
        "failed job": sagemaker.describe_training_job(TrainingJobName="sample-failure"),
        "processing job": sagemaker.describe_processing_job(ProcessingJobName="sample-processing"),
        "jobs that search finds": _search(sagemaker),
        "logs": _logs(cloud.client("logs")),
        "images": cloud.client("lowcloud").list_images()["Images"],
        "model": sagemaker.describe_model(ModelName="sample-model"),
        "endpoint configuration": sagemaker.describe_endpoint_config(EndpointConfigName="sample-configuration"),
        "endpoint": {
            name: _endpoint(sagemaker)[name] for name in ("EndpointArn", "EndpointConfigName", "CreationTime")
        },
        "experiment": sagemaker.describe_experiment(ExperimentName="sample-experiment"),
        "trial": sagemaker.describe_trial(TrialName="sample-trial"),
        "component": sagemaker.describe_trial_component(TrialComponentName="sample-run"),
        "component of job": sagemaker.describe_trial_component(TrialComponentName="sample-training-aws-training-job"),
        "members": _names(sagemaker.list_trial_components(TrialName="sample-trial")["TrialComponentSummaries"]),
        "curve": _curve(cloud),
        "lineage": _lineage(sagemaker),
        "tags": sagemaker.list_tags(ResourceArn=_endpoint(sagemaker)["EndpointArn"])["Tags"],
        "role": iam.get_role(RoleName="sample-role")["Role"]["Arn"],
        "role policy": iam.get_role_policy(RoleName="sample-role", PolicyName="reads")["PolicyDocument"],
        "role attachments": iam.list_attached_role_policies(RoleName="sample-role")["AttachedPolicies"],
        "prediction": predict(cloud),
    }
    for answer in found.values():
        if isinstance(answer, dict):
            answer.pop("ResponseMetadata", None)
    plain: dict[str, Any] = json.loads(json.dumps(found, default=_plain))
    return plain


def predict(cloud: Server) -> Any:
    """Return the response of the endpoint of the home, once it serves."""
    sagemaker = cloud.client("sagemaker")
    wait_for(lambda: _endpoint(sagemaker)["EndpointStatus"] == "InService")
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=ENDPOINT, ContentType="text/csv", Accept="application/json", Body=QUESTION
    )
    return json.loads(answer["Body"].read())


def train(cloud: Server, name: str, data: str = "good") -> str:
    """How a training job of this name ends."""
    sagemaker = cloud.client("sagemaker")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{data}"}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": ALGORITHM, "TrainingInputMode": "File"},
        RoleArn=cloud.role,
        HyperParameters={"feature_dim": "3", "predictor_type": "regressor", "epochs": "3"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
        ResourceConfig=RESOURCES,
        StoppingCondition={"MaxRuntimeInSeconds": 300},
        Tags=[{"Key": "team", "Value": "blue"}],
    )

    def ended() -> str | None:
        status = sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
        return status if status in ("Completed", "Failed", "Stopped") else None

    return str(wait_for(ended))


def differences(expected: Any, found: Any, place: str = "") -> list[str]:
    """Return the differences from earlier answers: missing or changed values; values may be added."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return [
            line
            for name, value in expected.items()
            for line in (
                differences(value, found[name], f"{place}/{name}") if name in found else [f"{place}/{name}: missing"]
            )
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [
            line
            for number, (one, other) in enumerate(zip(expected, found, strict=True))
            for line in differences(one, other, f"{place}/{number}")
        ]
    is_same = math.isclose(expected, found) if isinstance(expected, float) else expected == found
    return [] if is_same else [f"{place}: {expected!r} became {found!r}"]


def pack(home: Path, archive: Path, expected: Mapping[str, Any], dump: bytes | None = None) -> None:
    """Keep a home whose server is down, with what it answered and, where its rows are in PostgreSQL, their dump."""

    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        is_left_out = LEFT_OUT.intersection(Path(member.name).parts) or not (member.isfile() or member.isdir())
        return None if is_left_out else member

    with tarfile.open(archive, "w:gz", compresslevel=9) as packed:
        packed.add(home, "home", filter=kept)
        extra = {EXPECTED: json.dumps(expected, indent=1).encode(), DUMP: dump}
        for name, content in extra.items():
            if content is not None:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))


@dataclass(frozen=True)
class Kept:
    """A home that an earlier version created."""

    home: Path
    expected: Mapping[str, Any]  # what `observe` found then
    database: str | None  # the address of its rows, where they are in PostgreSQL

    @property
    def url(self) -> str:
        return self.database or f"sqlite:///{self.home}/data/lowcloud.db"


def unpack(version: str, folder: Path, postgres: PostgresServer | None = None) -> Kept:
    """Unpack the home of a version into a folder, and its rows into a server if one is given."""
    with tarfile.open(HOMES / f"{version}{'-postgresql' if postgres else ''}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    database = postgres.new_database() if postgres else None
    if postgres and database:
        postgres.restore((folder / DUMP).read_bytes(), database)
    return Kept(folder / "home", json.loads((folder / EXPECTED).read_text()), database)


def body_of(name: str, size: int) -> bytes:
    """Return the same bytes each time."""
    return random.Random(name).randbytes(size)


def _fill_bucket(s3: Any) -> None:
    s3.create_bucket(Bucket=BUCKET, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [
                {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:sample", "Events": ["s3:ObjectCreated:*"]}
            ]
        },
    )
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_cors(
        Bucket=BUCKET,
        CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.com"]}]},
    )
    for name in ("small", "large"):
        s3.put_object(
            Bucket=BUCKET,
            Key=name,
            Body=body_of(name, SIZES[name]),
            ContentType="x/sample",
            Metadata={"origin": "sensor 7"},
            Tagging="team=blue&stage=raw",
        )
    for version in range(3):
        s3.put_object(Bucket=BUCKET, Key="versioned", Body=f"version {version}".encode())
    s3.put_object(Bucket=BUCKET, Key="deleted", Body=b"still there in its version")
    s3.delete_object(Bucket=BUCKET, Key="deleted")
    s3.put_object_acl(Bucket=BUCKET, Key="small", ACL="public-read")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="in parts", ChecksumAlgorithm="CRC32C")["UploadId"]
    of_part = {"Bucket": BUCKET, "Key": "in parts", "UploadId": upload}
    part = s3.upload_part(
        **of_part, PartNumber=1, Body=body_of("in parts", SIZES["in parts"]), ChecksumAlgorithm="CRC32C"
    )
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32C": part["ChecksumCRC32C"]}]
    s3.complete_multipart_upload(**of_part, MultipartUpload={"Parts": parts})
    unfinished = s3.create_multipart_upload(Bucket=BUCKET, Key="unfinished")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="unfinished", UploadId=unfinished, PartNumber=1, Body=b"a part")
    numbers = random.Random(0)
    rows = [[numbers.gauss(0, 1) for _ in range(3)] for _ in range(120)]
    s3.put_object(Bucket=BUCKET, Key="good/train.csv", Body=csv_of([[2 * a - b + c / 2, a, b, c] for a, b, c in rows]))
    s3.put_object(Bucket=BUCKET, Key="bad/train.csv", Body=b"1,2,three,4\n")


def _fill_people(iam: Any) -> None:
    """What versions after 0.1.0 have."""
    document = _policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    policy = iam.create_policy(PolicyName="sample-policy", PolicyDocument=document)["Policy"]["Arn"]
    iam.create_group(GroupName="sample-group")
    iam.put_group_policy(GroupName="sample-group", PolicyName="reads", PolicyDocument=document)
    iam.create_user(UserName="sample-user", PermissionsBoundary=policy, Tags=[{"Key": "team", "Value": "blue"}])
    iam.add_user_to_group(GroupName="sample-group", UserName="sample-user")
    iam.attach_user_policy(UserName="sample-user", PolicyArn=policy)
    iam.create_access_key(UserName="sample-user")
    iam.create_instance_profile(InstanceProfileName="sample-profile")
    iam.add_role_to_instance_profile(InstanceProfileName="sample-profile", RoleName="sample-role")
    iam.create_open_id_connect_provider(Url="https://login.example.com", ClientIDList=["app"])


def _fill_roles(iam: Any) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.create_role(RoleName="sample-role", AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(RoleName="sample-role", PolicyName="reads", PolicyDocument=_policy(reads))
    iam.attach_role_policy(RoleName="sample-role", PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess")


def _policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _run_jobs(cloud: Server) -> None:
    assert train(cloud, "sample-training") == "Completed"
    assert train(cloud, "sample-failure", data="bad") == "Failed"
    sagemaker, folder = cloud.client("sagemaker"), "/opt/ml/processing"
    script = f"echo processing; cp {folder}/input/small {folder}/output/copy"
    cloud.client("lowcloud").add_image(ImageName="sample-image", Command=["/bin/sh", "-c", script])
    source = {"S3Uri": f"s3://{BUCKET}/small", "LocalPath": f"{folder}/input", "S3DataType": "S3Prefix"}
    target = {"S3Uri": f"s3://{BUCKET}/processed", "LocalPath": f"{folder}/output", "S3UploadMode": "EndOfJob"}
    sagemaker.create_processing_job(
        ProcessingJobName="sample-processing",
        RoleArn=cloud.role,
        AppSpecification={"ImageUri": "sample-image"},
        ProcessingInputs=[{"InputName": "input", "S3Input": {**source, "S3InputMode": "File"}}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "output", "S3Output": target}]},
        ProcessingResources={"ClusterConfig": RESOURCES},
    )

    def ended() -> Any:
        found = sagemaker.describe_processing_job(ProcessingJobName="sample-processing")
        return found["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") and found

    found = wait_for(ended)
    assert found["ProcessingJobStatus"] == "Completed", found["FailureReason"]


def _deploy(cloud: Server) -> None:
    sagemaker = cloud.client("sagemaker")
    job = sagemaker.describe_training_job(TrainingJobName="sample-training")
    container = {"Image": ALGORITHM, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="sample-model", PrimaryContainer=container, ExecutionRoleArn=cloud.role)
    variant = {"VariantName": "all", "ModelName": "sample-model", "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName="sample-configuration", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    sagemaker.create_endpoint(
        EndpointName=ENDPOINT,
        EndpointConfigName="sample-configuration",
        Tags=[{"Key": "team", "Value": "blue"}],
    )


def _track(cloud: Server) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_experiment(ExperimentName="sample-experiment", Description="three epochs")
    sagemaker.create_trial(TrialName="sample-trial", ExperimentName="sample-experiment")
    sagemaker.create_trial_component(TrialComponentName="sample-run", Parameters={"rate": {"NumberValue": 0.5}})
    for component in ("sample-run", "sample-training-aws-training-job"):
        sagemaker.associate_trial_component(TrialName="sample-trial", TrialComponentName=component)
    at = datetime.now(UTC).replace(microsecond=0)
    points = [{"MetricName": "loss", "Value": 1 / (1 + step), "Step": step, "Timestamp": at} for step in range(5)]
    put = cloud.client("sagemaker-metrics").batch_put_metrics(TrialComponentName="sample-run", MetricData=points)
    assert "Errors" not in put
    sagemaker.create_context(
        ContextName="sample-context", ContextType="Sample", Source={"SourceUri": f"s3://{BUCKET}/small"}
    )


def _objects(s3: Any) -> dict[str, Any]:
    """Return every version of every object, by key and id, with its attributes."""
    listed = s3.list_object_versions(Bucket=BUCKET)
    versions = {f"{one['Key']} {one['VersionId']}": _version(s3, one) for one in listed["Versions"]}
    return {
        "versions": versions,
        "markers": [one["Key"] for one in listed["DeleteMarkers"]],
        "tags": s3.get_object_tagging(Bucket=BUCKET, Key="small")["TagSet"],
        "grants": s3.get_object_acl(Bucket=BUCKET, Key="small")["Grants"],
        "uploads": [one["Key"] for one in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]],
        "cors": s3.get_bucket_cors(Bucket=BUCKET)["CORSRules"],
    }


def _version(s3: Any, listed: Mapping[str, Any]) -> dict[str, Any]:
    found = s3.get_object(Bucket=BUCKET, Key=listed["Key"], VersionId=listed["VersionId"], ChecksumMode="ENABLED")
    found["Body"] = hashlib.sha256(found["Body"].read()).hexdigest()
    found.pop("ResponseMetadata")
    return {**found, "ETag": listed["ETag"], "IsLatest": listed["IsLatest"]}


def _logs(logs: Any) -> dict[str, list[str]]:
    groups = (f"/aws/sagemaker/{kind}" for kind in ("TrainingJobs", "ProcessingJobs"))
    return {
        group: [
            event["message"]
            for event in logs.filter_log_events(logGroupName=group, logStreamNamePrefix="sample-")["events"]
        ]
        for group in groups
    }


def _search(sagemaker: Any) -> list[str]:
    by_name = {"Name": "TrainingJobName", "Operator": "Contains", "Value": "sample-"}
    found = sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": [by_name]})["Results"]
    return sorted(one["TrainingJob"]["TrainingJobName"] for one in found)


def _curve(cloud: Server) -> Any:
    component = cloud.client("sagemaker").describe_trial_component(TrialComponentName="sample-run")
    query = {
        "MetricName": "loss",
        "ResourceArn": component["TrialComponentArn"],
        "MetricStat": "Last",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    }
    (answer,) = cloud.client("sagemaker-metrics").batch_get_metrics(MetricQueries=[query])["MetricQueryResults"]
    return answer


def _lineage(sagemaker: Any) -> Any:
    """Return the lineage of the endpoint."""
    (context,) = [
        one
        for one in sagemaker.list_contexts(ContextType="Endpoint")["ContextSummaries"]
        if ENDPOINT in one["Source"]["SourceUri"]
    ]
    answer = sagemaker.query_lineage(
        StartArns=[context["ContextArn"]], Direction="Ascendants", IncludeEdges=True, MaxDepth=10
    )
    return {
        "vertices": sorted(answer["Vertices"], key=lambda one: one["Arn"]),
        "edges": sorted(answer["Edges"], key=lambda one: (one["SourceArn"], one["DestinationArn"])),
    }


def _endpoint(sagemaker: Any) -> Any:
    return sagemaker.describe_endpoint(EndpointName=ENDPOINT)


def _names(components: list[dict[str, Any]]) -> list[str]:
    return sorted(component["TrialComponentName"] for component in components)


def _plain(value: Any) -> str:
    return str(value.astimezone(UTC).isoformat()) if isinstance(value, datetime) else repr(value)
