"""The lineage of a model: its sources, and the models and endpoints made from it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.display import reports
from lowcloud.sdk.errors import RefusedError, translate_errors

ARTIFACT = ":artifact/"


@dataclass(frozen=True)
class Node:
    """A data set, code, an image, a job, a model or an endpoint.

    `place` is its URL, such as s3://bucket/key, or its name if it has none.
    """

    arn: str
    type: str
    place: str


@dataclass(frozen=True)
class Lineage:
    """The nodes of a lineage graph, and its edges: pairs (from, to) of ARNs."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return reports.to_text(self._facts()) if self.nodes else "No lineage"

    def _repr_html_(self) -> str:
        return reports.to_html(self._facts())

    def _facts(self) -> Mapping[str, Any]:
        return {node.place: node.type for node in self.nodes}


def read_lineage(cloud: Cloud, arn: str) -> Lineage:
    """Return the graph around the entity with this ARN. Raises RefusedError if there is none."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], None] = {}
    token: dict[str, str] = {}
    while True:
        with translate_errors():
            page = cloud.sagemaker.query_lineage(StartArns=[arn], Direction="Both", IncludeEdges=True, **token)
        nodes |= {
            vertex["Arn"]: Node(vertex["Arn"], vertex.get("Type", ""), _place(cloud, vertex["Arn"]))
            for vertex in page["Vertices"]
        }
        edges |= dict.fromkeys((edge["SourceArn"], edge["DestinationArn"]) for edge in page["Edges"])
        if not page.get("NextToken"):
            return Lineage(tuple(nodes.values()), tuple(edges))
        token = {"NextToken": page["NextToken"]}


def _place(cloud: Cloud, arn: str) -> str:
    name = arn.rpartition("/")[2]
    if ARTIFACT not in arn:
        return name
    try:
        with translate_errors():
            return str(cloud.sagemaker.describe_artifact(ArtifactArn=arn)["Source"]["SourceUri"])
    except RefusedError:
        return name  # it has been deleted in the meantime
