"""The Search operation: its expression and sort order, applied to the documents of one kind of resource."""

from collections.abc import Container, Mapping
from functools import partial
from typing import Any

from botocore.model import Shape

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import invalid, page_token_errors
from lowcloud.api.aws.services.sagemaker.search.properties import elements, is_maybe_numeric, reader
from lowcloud.api.aws.services.sagemaker.search.resources import RESOURCES, TIMES, Resource, documents
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.resources import Condition
from lowcloud.core.search import Expression, Filter, Nested, Operator, Search, Sort, compare, parse_time

DEFAULT_PAGE_SIZE = 100
CONDITIONS_LIMIT = 50


@operation("sagemaker",
    "Search", on_any(),
    refused=(
        "CrossAccountFilterOption=CrossAccount",
        "VisibilityConditions",
        *(f"Resource={name}" for name in (
            "ModelPackage", "ModelPackageGroup", "Pipeline", "PipelineExecution", "FeatureGroup", "FeatureMetadata",
            "Image", "ImageVersion", "Project", "HyperParameterTuningJob", "ModelCard", "PipelineVersion", "Job",
            "HubContent",
        )),
    ),
)  # fmt: skip
def search(context: Context, _caller: Caller, request: Request) -> Answer:
    """The most recently changed first by default."""
    resource = RESOURCES.get(request["Resource"])
    if resource is None:  # newer than the list of those that are refused
        raise invalid(f"Lowcloud cannot search {request['Resource']} yet.")
    expression = request.get("SearchExpression", {})
    if _count(expression) > CONDITIONS_LIMIT:
        raise invalid(f"A SearchExpression can have at most {CONDITIONS_LIMIT} filters and expressions.")
    members = _mentioned(expression) | {_first(request.get("SortBy", ""))}
    found = Search(
        resource.kind,
        partial(documents, context, resource, _All()),
        partial(documents, context, resource, members),
        _expression(resource.shape, expression),
        tuple(_where(resource, expression)),
    )
    size, token = request.get("MaxResults", DEFAULT_PAGE_SIZE), request.get("NextToken")
    with page_token_errors():
        page = found.page(context, _sort(resource, request), size, token)
    return {"Results": [{resource.member: document} for document in page.documents], "NextToken": page.next_token}


class _All(Container[str]):
    def __contains__(self, _member: object) -> bool:
        return True


def _first(name: str) -> str:
    return name.partition(".")[0].lower()


def _mentioned(expression: Mapping[str, Any]) -> set[str]:
    """Return the members that an expression reads."""
    names = {_first(one["Name"]) for one in expression.get("Filters", ())}
    names |= {_first(one["NestedPropertyName"]) for one in expression.get("NestedFilters", ())}
    return names.union(*(_mentioned(one) for one in expression.get("SubExpressions", ())))


def _expression(shape: Shape, expression: Mapping[str, Any]) -> Expression:
    conditions: tuple[Filter | Nested | Expression, ...] = (
        *(_filter(shape, one, one["Name"]) for one in expression.get("Filters", ())),
        *(_nested(shape, one) for one in expression.get("NestedFilters", ())),
        *(_expression(shape, one) for one in expression.get("SubExpressions", ())),
    )
    return Expression(conditions, requires_all=expression.get("Operator", "And") == "And")


def _filter(shape: Shape, condition: Mapping[str, str], name: str) -> Filter:
    value = condition.get("Value")
    operator = Operator(condition.get("Operator") or ("Exists" if value is None else "Equals"))
    if value is None and operator not in (Operator.EXISTS, Operator.NOT_EXISTS):
        raise invalid(f"The filter on {condition['Name']} needs a Value for {operator}.")
    return Filter(condition["Name"], operator, value or "", reader(shape, name), is_maybe_numeric(condition["Name"]))


def _nested(shape: Shape, group: Mapping[str, Any]) -> Nested:
    prefix = group["NestedPropertyName"]
    element, read = elements(shape, prefix)
    filters = []
    for one in group["Filters"]:
        is_qualified = one["Name"].lower().startswith(f"{prefix.lower()}.")
        filters.append(_filter(element, one, one["Name"][len(prefix) + 1 :] if is_qualified else one["Name"]))
    return Nested(read, tuple(filters))


def _count(expression: Mapping[str, Any]) -> int:
    nested = sum(1 + len(one["Filters"]) for one in expression.get("NestedFilters", ()))
    return (
        len(expression.get("Filters", ()))
        + nested
        + sum(1 + _count(one) for one in expression.get("SubExpressions", ()))
    )


def _where(resource: Resource, expression: Mapping[str, Any]) -> list[Condition]:
    """Return what the database can check; the complete expression is evaluated record by record."""
    if expression.get("Operator", "And") != "And":
        return []
    conditions = [_condition(resource, one) for one in expression.get("Filters", ())]
    deeper = [one for sub in expression.get("SubExpressions", ()) for one in _where(resource, sub)]
    return [one for one in conditions if one is not None] + deeper


def _condition(resource: Resource, condition: Mapping[str, str]) -> Condition | None:
    name, value = condition["Name"].lower(), condition.get("Value")
    field = resource.fields().get(name)
    operator = Operator(condition.get("Operator") or Operator.EQUALS)
    if value is None:
        return None
    if operator == Operator.EQUALS and name in resource.conditions:
        return resource.conditions[name](value)
    if operator == Operator.EQUALS and name == f"{resource.name.lower().removesuffix('name')}arn":
        return compare(resource.kind, "name", operator, value.rpartition("/")[2])
    if field is None:
        return None
    return compare(resource.kind, field, operator, parse_time(condition["Name"], value) if name in TIMES else value)


def _sort(resource: Resource, request: Request) -> Sort:
    fields = resource.fields()
    name = request.get("SortBy") or ("LastModifiedTime" if "lastmodifiedtime" in fields else "CreationTime")
    is_descending = request.get("SortOrder", "Descending") == "Descending"
    if name.lower() in fields:
        return Sort(fields[name.lower()], is_descending)
    return Sort(reader(resource.shape, name), is_descending)
