"""Every resource kind, registered once."""

from lowcloud.core.jobs.jobs import PROCESSING, TRAINING
from lowcloud.core.programs.images import IMAGE
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.serving.endpoints import CONFIGURATION, ENDPOINT
from lowcloud.core.serving.models import MODEL
from lowcloud.core.tracking.experiments import EXPERIMENT
from lowcloud.core.tracking.lineage import ACTION, ARTIFACT, CONTEXT
from lowcloud.core.tracking.trial_components import COMPONENT
from lowcloud.core.tracking.trials import TRIAL

KINDS: tuple[ResourceKind, ...] = (
    TRAINING,
    PROCESSING,
    IMAGE,
    MODEL,
    CONFIGURATION,
    ENDPOINT,
    EXPERIMENT,
    TRIAL,
    COMPONENT,
    ARTIFACT,
    ACTION,
    CONTEXT,
)


def find(prefix: str) -> ResourceKind | None:
    """Return the kind whose subjects have this prefix."""
    return next((kind for kind in KINDS if kind.prefix == prefix), None)
