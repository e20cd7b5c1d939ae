"""What jobs, models and endpoints leave behind: components, artifacts, and what leads from one to the other."""

from typing import Any

import pytest
from sqlalchemy import select

from lowcloud.core import buckets, experiments, lineage, lineage_query, objects, tracking, trial_components, trials
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid, NotFound
from lowcloud.core.experiments import Experiment
from lowcloud.core.lineage import OWN, Described
from lowcloud.core.lineage_query import Direction
from lowcloud.core.tracking import Grouping, Material
from lowcloud.core.trials import Parent, Trial
from lowcloud.store.tables import associations, lineage_entities

KIND = "training-job"
IMAGE, DATA = Material("image", "image:1", tracking.IMAGE), Material("train", "s3://data/train")


def begin(
    cloud: Cloud, name: str, *materials: Material, parameters: dict[str, Any] | None = None, **more: Grouping
) -> None:
    with cloud.database.transaction() as connection:
        going_in = materials or (IMAGE, DATA)
        tracking.begin(connection, f"{KIND}/{name}", cloud.now(), going_in, parameters or {}, **more)


def end(cloud: Cloud, name: str, *products: Material, status: str = "Completed") -> None:
    with cloud.database.transaction() as connection:
        tracking.end(connection, f"{KIND}/{name}", cloud.now(), status, "", products)


def origin(cloud: Cloud, subject: str) -> list[Described]:
    return list(lineage_query.walk(cloud, [subject], Direction.ASCENDANTS, 10, lambda _: True, 100).vertices)


def count(cloud: Cloud, table: Any) -> int:
    with cloud.database.read() as connection:
        return len(connection.execute(select(table)).all())


def test_two_jobs_that_read_the_same_share_its_artifacts(cloud):
    for name in ("one", "two"):
        begin(cloud, name)
        end(cloud, name, Material("model", f"s3://models/{name}", tracking.MODEL))
    assert count(cloud, lineage_entities) == 4, "an image, a data set and two models"
    assert count(cloud, associations) == 6


def test_numbers_among_the_parameters_are_numbers(cloud):
    begin(cloud, "job", parameters={"rate": "0.5", "count": 3, "kind": "tree", "odd": "nan", "long": "x" * 3000})
    found = trial_components.find(cloud, "job-aws-training-job").parameters
    assert found == {"rate": 0.5, "count": 3.0, "kind": "tree", "odd": "nan", "long": "x" * 2500}


def test_a_version_of_an_object_is_an_artifact_of_its_own(cloud):
    buckets.create(cloud, "data")
    uri = Material("train", "s3://data/train.csv")
    for body in (b"first", b"second", b"second"):
        objects.put(cloud, "data", "train.csv", iter([body]))
        begin(cloud, f"job-{cloud.now()}".replace(".", "-"), uri)
    assert count(cloud, lineage_entities) == 2


def test_a_model_and_its_endpoint_lead_back_to_the_data(cloud):
    begin(cloud, "job")
    end(cloud, "job", Material("model", "s3://models/m", tracking.MODEL))
    now = cloud.now()
    with cloud.database.transaction() as connection:
        tracking.model(connection, "m", "image:1", "s3://models/m", now)
        tracking.endpoint(connection, "e", ["m"], now)
    found = [(one.kind, one.type) for one in origin(cloud, "context/e-aws-endpoint")]
    assert found[:3] == [("context", "Endpoint"), ("action", "ModelDeployment"), ("artifact", "Model")]
    assert set(found[3:]) == {
        ("artifact", "Model"), ("artifact", "Image"), ("trial component", KIND), ("artifact", "DataSet"),
    }  # fmt: skip


def test_an_endpoint_of_a_name_that_comes_again_has_no_earlier_origin(cloud):
    for number in (1, 2):
        with cloud.database.transaction() as connection:
            tracking.model(connection, f"m{number}", f"image:{number}", None, float(number))
            tracking.endpoint(connection, "e", [f"m{number}"], float(number))
    with cloud.database.read() as connection:
        sources = {row.name: row.source for row in connection.execute(select(lineage_entities))}
    reached = {sources[one.subject.partition("/")[2]] for one in origin(cloud, "context/e-aws-endpoint")}
    assert reached == {f"{OWN}endpoint/e", f"{OWN}model/m2", "image:2"}


def test_a_job_is_filed_where_its_user_wants_it_or_not_at_all(cloud):
    experiments.create(cloud, Experiment("exp", 0.0, 0.0))
    experiments.create(cloud, Experiment("other", 0.0, 0.0))
    trials.create(cloud, Trial("tri", "exp", 0.0, 0.0))
    begin(cloud, "named", grouping=Grouping(trial="TRI"))
    begin(cloud, "new", grouping=Grouping(experiment="exp", display_name="shown", run="named-aws-training-job"))
    with cloud.database.read() as connection:
        found = trials.parents_of(connection, ["named-aws-training-job", "new-aws-training-job"])
        assert trial_components.sources_of_run(connection, "named-aws-training-job") == ["training-job/new"]
    assert found == {
        "named-aws-training-job": [Parent("tri", "exp")],
        "new-aws-training-job": [Parent("new-aws-trial", "exp")],
    }
    before = count(cloud, lineage_entities)
    with pytest.raises(Invalid, match="is one of the experiment 'exp'"):
        begin(cloud, "wrong", grouping=Grouping(experiment="other", trial="tri"))
    with pytest.raises(NotFound, match="nowhere"):
        begin(cloud, "wrong", Material("x", "s3://x/y"), grouping=Grouping(experiment="nowhere"))
    assert count(cloud, lineage_entities) == before


def test_a_component_that_its_user_has_deleted_is_missed_by_nobody(cloud):
    begin(cloud, "job")
    trial_components.remove(cloud, "job-aws-training-job")
    end(cloud, "job", Material("model", "s3://models/m", tracking.MODEL))
    with cloud.database.read() as connection:
        assert lineage.with_source(connection, "s3://models/m", {}) is None
