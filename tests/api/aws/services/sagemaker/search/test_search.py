"""Search through boto3: every operator, nested filters, subexpressions, order, pages, and names that do not exist."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.aws.services.sagemaker.experiments.test_experiments import ARN, make, refusal
from tests.support.servers.server import Server

COMPONENTS = 7


@pytest.fixture(scope="module")
def sagemaker(empty_server: Server) -> Any:
    """A client of a server that has an experiment with some components."""
    client = empty_server.client("sagemaker")
    make(client, "sought", components=COMPONENTS)
    make(client, "other")
    metrics = empty_server.client("sagemaker-metrics")
    for number in range(COMPONENTS):
        name = f"sought-t0-c{number}"
        client.update_trial_component(
            TrialComponentName=name,
            DisplayName=f"Stage-{number}",
            Parameters={"depth": {"NumberValue": number}, "kind.of": {"StringValue": "tree" if number % 2 else "line"}},
            Status={"PrimaryStatus": "Completed" if number < 3 else "Failed"},
            InputArtifacts={"data": {"Value": f"s3://b/{number}"}},
        )
        if number < 3:
            point = {"MetricName": "a.b", "Value": number / 10, "Timestamp": datetime.now(UTC)}
            metrics.batch_put_metrics(TrialComponentName=name, MetricData=[point, point | {"Value": 9.0 - number}])
        arn = f"{ARN}experiment-trial-component/{name}"
        client.add_tags(ResourceArn=arn, Tags=[{"Key": "team.of", "Value": f"n{number % 2}"}])
    return client


def names(sagemaker: Any, *filters: tuple[str, ...], operator: str = "And", **more: Any) -> list[str]:
    """Return the numbers of the components that are found, by name unless requested otherwise."""
    parts = ("Name", "Operator", "Value")
    expression = {"Filters": [dict(zip(parts, one, strict=False)) for one in filters], "Operator": operator}
    requested = {"SearchExpression": expression, "SortBy": "TrialComponentName", "SortOrder": "Ascending", **more}
    found = sagemaker.search(Resource="ExperimentTrialComponent", **requested)["Results"]
    return [one["TrialComponent"]["TrialComponentName"].removeprefix("sought-t0-c") for one in found]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("TrialComponentName", "Equals", "sought-t0-c2"), "2"),
        (("TrialComponentArn", "Equals", f"{ARN}experiment-trial-component/sought-t0-c2"), "2"),
        (("TrialComponentArn", "Equals", f"{ARN}experiment/sought-t0-c2"), ""),
        (("Source.SourceArn", "Equals", f"{ARN}training-job/none"), ""),
        (("Parents.ExperimentName", "Equals", "sought"), "0123456"),
        (("Parents.TrialName", "Equals", "sought-t0"), "0123456"),
        (("Parameters.depth", "GreaterThan", "4"), "56"),
        (("parameters.depth", "GreaterThanOrEqualTo", "4"), "456"),
        (("Parameters.depth.NumberValue", "LessThan", "1.5"), "01"),
        (("Parameters.depth", "LessThanOrEqualTo", "1"), "01"),
        (("Parameters.depth", "Equals", "3.0"), "3"),
        (("Parameters.kind.of", "Equals", "tree"), "135"),
        (("Parameters.kind.of", "NotEquals", "tree"), "0246o"),
        (("Parameters.kind.of", "Exists"), "0123456"),
        (("Parameters.kind.of",), "0123456"),
        (("Parameters.kind.of", "NotExists"), "o"),
        (("DisplayName", "Contains", "age-3"), "3"),
        (("DisplayName", "In", "Stage-1,Stage-5,x"), "15"),
        (("Status.PrimaryStatus", "Equals", "Completed"), "012"),
        (("Tags.team.of", "Equals", "n1"), "135"),
        (("Metrics.a.b.Max", "GreaterThan", "7.5"), "01"),
        (("Metrics.a.b.Count", "Equals", "2"), "012"),
        (("Metrics.a.b", "Exists"), "012"),
        (("InputArtifacts.data", "Equals", "s3://b/4"), "4"),
        (("CreationTime", "GreaterThan", "2026-01-01T00:00:00Z"), "0123456o"),
        (("LastModifiedTime", "LessThan", "2026-01-01"), ""),
    ],
)
def test_a_filter_returns_the_records_that_match(sagemaker, condition, found):
    assert "".join(sorted(name[:1] for name in names(sagemaker, condition))) == "".join(sorted(found))


def test_filters_are_joined_by_and_or_or_and_expressions_are_nested(sagemaker):
    tree, deep = ("Parameters.kind.of", "Equals", "tree"), ("Parameters.depth", "GreaterThan", "3")
    assert names(sagemaker, tree, deep) == ["5"]
    assert names(sagemaker, tree, deep, operator="Or") == ["1", "3", "4", "5", "6"]
    inner = {
        "Filters": [{"Name": "Parameters.depth", "Operator": "Equals", "Value": n} for n in "15"],
        "Operator": "Or",
    }
    first = {"Name": "Parameters.kind.of", "Value": "tree"}
    expression = {"Filters": [first], "SubExpressions": [inner]}
    assert names(sagemaker, SearchExpression=expression) == ["1", "5"]


def test_a_nested_filter_requires_one_element_to_match_all(sagemaker):
    def nested(trial: str, experiment: str) -> list[str]:
        filters = [
            {"Name": "Parents.TrialName", "Operator": "Equals", "Value": trial},
            {"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": experiment},
        ]
        expression = {"NestedFilters": [{"NestedPropertyName": "Parents", "Filters": filters}]}
        return names(sagemaker, SearchExpression=expression)

    sagemaker.associate_trial_component(TrialName="other-t0", TrialComponentName="sought-t0-c6")
    assert nested("sought-t0", "sought") == list("0123456")
    assert nested("sought-t0", "other") == [], "no one parent is both"
    both = [("Parents.TrialName", "Equals", "sought-t0"), ("Parents.ExperimentName", "Equals", "other")]
    assert names(sagemaker, *both) == ["6"], "plain filters ask each for itself"
    sagemaker.disassociate_trial_component(TrialName="other-t0", TrialComponentName="sought-t0-c6")


@pytest.mark.parametrize(
    ("sort", "order", "found"),
    [
        ("Parameters.depth", "Descending", "6543210"),
        ("metrics.a.b.max", "Ascending", "2103456"),
        ("CreationTime", "Ascending", "0123456"),
        ("TrialComponentName", "Descending", "6543210"),
    ],
)
def test_results_are_sorted_by_any_property_and_come_in_pages(sagemaker, sort, order, found):
    ours = {"Filters": [{"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": "sought"}]}
    pages = sagemaker.get_paginator("search").paginate(
        Resource="ExperimentTrialComponent", SearchExpression=ours, SortBy=sort, SortOrder=order, MaxResults=3
    )
    sizes, seen = [], ""
    for page in pages:
        sizes.append(len(page["Results"]))
        seen += "".join(one["TrialComponent"]["TrialComponentName"][-1] for one in page["Results"])
    assert (sizes, seen) == ([3, 3, 1], found)


def test_an_invalid_search_is_refused_with_a_reason(sagemaker):
    def said(*filters: dict[str, str], **more: Any) -> str:
        requested = {"Resource": "ExperimentTrialComponent", "SearchExpression": {"Filters": list(filters)}, **more}
        code, message = refusal(sagemaker.search, **requested)
        assert code == "ValidationException"
        return message

    assert "Unknown property name: Colour" in said({"Name": "Colour", "Value": "red"})
    assert "Unknown property name: Status.Colour" in said({"Name": "Status.Colour", "Value": "red"})
    assert "is not a number" in said({"Name": "Parameters.depth", "Operator": "GreaterThan", "Value": "deep"})
    assert "is not a time" in said({"Name": "CreationTime", "Operator": "GreaterThan", "Value": "yesterday"})
    assert "needs a Value" in said({"Name": "DisplayName", "Operator": "Contains"})
    assert "numbers and times" in said({"Name": "DisplayName", "Operator": "GreaterThan", "Value": "1"})
    assert "only be used on text" in said({"Name": "Parameters.depth", "Operator": "Contains", "Value": "1"})
    assert "NextToken" in said({"Name": "DisplayName"}, NextToken="x")
    assert "Unknown property name: Colour" in said({"Name": "DisplayName"}, SortBy="Colour")
    assert "Resource" in said({"Name": "DisplayName"}, Resource="FeatureGroup")
    many = {"Filters": [{"Name": "DisplayName"}] * 20}
    assert "at most 50" in said({"Name": "DisplayName"}, SearchExpression={"SubExpressions": [many] * 3})


def test_experiments_and_trials_are_found_with_their_tags(sagemaker):
    sagemaker.create_experiment(ExperimentName="tagged", Tags=[{"Key": "a", "Value": "1"}])
    tag = {"Filters": [{"Name": "Tags.a", "Operator": "Equals", "Value": "1"}]}
    (found,) = sagemaker.search(Resource="Experiment", SearchExpression=tag)["Results"]
    assert found["Experiment"]["ExperimentName"] == "tagged"
    assert found["Experiment"]["Tags"] == [{"Key": "a", "Value": "1"}]
    of_it = {"Filters": [{"Name": "ExperimentName", "Operator": "Equals", "Value": "sought"}]}
    (found,) = sagemaker.search(Resource="ExperimentTrial", SearchExpression=of_it)["Results"]
    assert found["Trial"]["TrialName"] == "sought-t0"
    assert sagemaker.search(Resource="Endpoint")["Results"] == []
    assert sagemaker.search(Resource="Model")["Results"] == []
