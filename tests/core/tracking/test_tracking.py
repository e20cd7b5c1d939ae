"""What jobs, models and endpoints leave behind: components, artifacts, and what leads from one to the other."""

from typing import Any

import pytest
from sqlalchemy import select

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from lowcloud.core.tracking import (
    experiments,
    lineage,
    lineage_query,
    provenance,
    trial_components,
    trial_members,
    trials,
)
from lowcloud.core.tracking.associations import Vertex
from lowcloud.core.tracking.experiments import Experiment
from lowcloud.core.tracking.lineage import SUBJECT_SCHEME
from lowcloud.core.tracking.lineage_query import Direction
from lowcloud.core.tracking.provenance import Grouping, TrackedUri
from lowcloud.core.tracking.trial_components import COMPONENT, TrialComponent
from lowcloud.core.tracking.trial_members import Parent
from lowcloud.core.tracking.trials import Trial
from lowcloud.store.db.tables.tracking import associations, lineage_entities

KIND = "training-job"
IMAGE, DATA = TrackedUri("image", "image:1", provenance.IMAGE), TrackedUri("train", "s3://data/train")


def begin(
    context: Context, name: str, *inputs: TrackedUri, parameters: dict[str, Any] | None = None, **more: Grouping
) -> None:
    with context.database.transaction() as connection:
        used = inputs or (IMAGE, DATA)
        provenance.begin(connection, f"{KIND}/{name}", context.now(), used, parameters or {}, **more)


def end(context: Context, name: str, *products: TrackedUri, status: str = "Completed") -> None:
    with context.database.transaction() as connection:
        provenance.end(connection, f"{KIND}/{name}", context.now(), status, "", products)


def origin(context: Context, subject: str) -> list[Vertex]:
    return list(lineage_query.walk(context, [subject], Direction.ASCENDANTS, 10, lambda _: True, 100).vertices)


def count(context: Context, table: Any) -> int:
    with context.database.read() as connection:
        return len(connection.execute(select(table)).all())


def test_two_jobs_that_read_the_same_share_its_artifacts(context):
    for name in ("one", "two"):
        begin(context, name)
        end(context, name, TrackedUri("model", f"s3://models/{name}", provenance.MODEL))
    assert count(context, lineage_entities) == 4, "an image, a data set and two models"
    assert count(context, associations) == 6


def test_numbers_among_the_parameters_are_numbers(context):
    begin(context, "job", parameters={"rate": "0.5", "count": 3, "kind": "tree", "odd": "nan", "long": "x" * 3000})
    found = resources.find(context, COMPONENT, "job-aws-training-job").parameters
    assert found == {"rate": 0.5, "count": 3.0, "kind": "tree", "odd": "nan", "long": "x" * 2500}


def test_a_version_of_an_object_is_an_artifact_of_its_own(context):
    buckets.create(context, "data")
    uri = TrackedUri("train", "s3://data/train.csv")
    for body in (b"first", b"second", b"second"):
        objects.put(context, "data", "train.csv", iter([body]))
        begin(context, f"job-{context.now()}".replace(".", "-"), uri)
    assert count(context, lineage_entities) == 2


def test_a_model_and_its_endpoint_lead_back_to_the_data(context):
    begin(context, "job")
    end(context, "job", TrackedUri("model", "s3://models/m", provenance.MODEL))
    now = context.now()
    with context.database.transaction() as connection:
        provenance.record_model(connection, "m", "image:1", "s3://models/m", now)
        provenance.record_endpoint(connection, "e", ["m"], now)
    found = [(one.kind, one.type) for one in origin(context, "context/e-aws-endpoint")]
    assert found[:3] == [("context", "Endpoint"), ("action", "ModelDeployment"), ("artifact", "Model")]
    assert set(found[3:]) == {
        ("artifact", "Model"), ("artifact", "Image"), ("trial component", KIND), ("artifact", "DataSet"),
    }  # fmt: skip


def test_an_endpoint_with_a_reused_name_does_not_have_the_earlier_lineage(context):
    for number in (1, 2):
        with context.database.transaction() as connection:
            provenance.record_model(connection, f"m{number}", f"image:{number}", None, float(number))
            provenance.record_endpoint(connection, "e", [f"m{number}"], float(number))
    with context.database.read() as connection:
        sources = {row.name: row.source for row in connection.execute(select(lineage_entities))}
    reached = {sources[one.subject.partition("/")[2]] for one in origin(context, "context/e-aws-endpoint")}
    assert reached == {f"{SUBJECT_SCHEME}endpoint/e", f"{SUBJECT_SCHEME}model/m2", "image:2"}


def test_a_job_is_in_the_trial_that_its_user_requested_or_not_created(context):
    experiments.create(context, Experiment("exp", 0.0, 0.0))
    experiments.create(context, Experiment("other", 0.0, 0.0))
    trials.create(context, Trial("tri", "exp", 0.0, 0.0))
    begin(context, "named", grouping=Grouping(trial="TRI"))
    run = TrialComponent("run", 0.0, 0.0)
    trial_components.create(context, run)
    begin(context, "new", grouping=Grouping(experiment="exp", display_name="shown", run="run"))
    assert trial_components.sources_of(context, run) == ["training-job/new"]
    found = trial_members.parents_of(context, ["named-aws-training-job", "new-aws-training-job"])
    assert found == {
        "named-aws-training-job": [Parent("tri", "exp")],
        "new-aws-training-job": [Parent("new-aws-trial", "exp")],
    }
    before = count(context, lineage_entities)
    with pytest.raises(InvalidError, match="belongs to the experiment 'exp'"):
        begin(context, "wrong", grouping=Grouping(experiment="other", trial="tri"))
    with pytest.raises(NotFoundError, match="nowhere"):
        begin(context, "wrong", TrackedUri("x", "s3://x/y"), grouping=Grouping(experiment="nowhere"))
    assert count(context, lineage_entities) == before


def test_a_deleted_trial_component_does_not_disturb_its_job(context):
    begin(context, "job")
    trial_components.delete(context, "job-aws-training-job")
    end(context, "job", TrackedUri("model", "s3://models/m", provenance.MODEL))
    with context.database.read() as connection:
        assert lineage.with_source(connection, "s3://models/m", {}) is None
