"""What a model was made from and what was made from it, as the cloud keeps it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lowcloud.sdk import reports
from lowcloud.sdk.cloud import Cloud
from lowcloud.sdk.errors import asking


@dataclass(frozen=True)
class Node:
    """A data set, a job, a model or an endpoint: its ARN, and its type in the cloud's words."""

    arn: str
    type: str

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]


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
        return {node.name: node.type for node in self.nodes}


def read_lineage(cloud: Cloud, arn: str) -> Lineage:
    """The graph around an entity, by its ARN. Raises Refused where the cloud keeps none."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], None] = {}
    token: dict[str, str] = {}
    while True:
        with asking():
            page = cloud.sagemaker.query_lineage(StartArns=[arn], Direction="Both", IncludeEdges=True, **token)
        nodes |= {one["Arn"]: Node(one["Arn"], one.get("Type", "")) for one in page["Vertices"]}
        edges |= dict.fromkeys((one["SourceArn"], one["DestinationArn"]) for one in page["Edges"])
        if not page.get("NextToken"):
            return Lineage(tuple(nodes.values()), tuple(edges))
        token = {"NextToken": page["NextToken"]}
