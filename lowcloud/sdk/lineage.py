"""What a model was made from and what was made from it, as the cloud keeps it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lowcloud.sdk import reports
from lowcloud.sdk.cloud import Cloud
from lowcloud.sdk.errors import RefusedError, asking

ARTIFACT = ":artifact/"


@dataclass(frozen=True)
class Node:
    """A data set, code, an image, a job, a model or an endpoint.

    `place` is where it lies, such as an s3:// URL; the name of what lies nowhere.
    """

    arn: str
    type: str
    place: str


@dataclass(frozen=True)
class Lineage:
    """Nodes, and which led to which: pairs (from, to) of ARNs."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return reports.text(self._facts()) if self.nodes else "No lineage"

    def _repr_html_(self) -> str:
        return reports.html(self._facts())

    def _facts(self) -> Mapping[str, Any]:
        return {node.place: node.type for node in self.nodes}


def read_lineage(cloud: Cloud, arn: str) -> Lineage:
    """The graph around an entity, by its ARN. Raises Refused where the cloud keeps none."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], None] = {}
    token: dict[str, str] = {}
    while True:
        with asking():
            page = cloud.sagemaker.query_lineage(StartArns=[arn], Direction="Both", IncludeEdges=True, **token)
        nodes |= {
            one["Arn"]: Node(one["Arn"], one.get("Type", ""), _place(cloud, one["Arn"])) for one in page["Vertices"]
        }
        edges |= dict.fromkeys((one["SourceArn"], one["DestinationArn"]) for one in page["Edges"])
        if not page.get("NextToken"):
            return Lineage(tuple(nodes.values()), tuple(edges))
        token = {"NextToken": page["NextToken"]}


def _place(cloud: Cloud, arn: str) -> str:
    name = arn.rpartition("/")[2]
    if ARTIFACT not in arn:
        return name
    try:
        with asking():
            return str(cloud.sagemaker.describe_artifact(ArtifactArn=arn)["Source"]["SourceUri"])
    except RefusedError:
        return name  # it was deleted meanwhile
