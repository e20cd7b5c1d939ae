"""Every kind of resource and every periodic task, registered once."""

from lowcloud.core.control.periodic_tasks import PERIODIC_TASK
from lowcloud.core.environments import environments
from lowcloud.core.jobs.processing import PROCESSING
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.programs.images import IMAGE
from lowcloud.core.resource_kind import Registry
from lowcloud.core.scheduling import admission
from lowcloud.core.serving.endpoint_lifecycle import ENDPOINT
from lowcloud.core.storage.integrity import scrub_task
from lowcloud.core.storage.lifecycle import sweep

REGISTRY = Registry(
    kinds=(TRAINING, PROCESSING, ENDPOINT, IMAGE, PERIODIC_TASK),
    tasks=(sweep.TASK, scrub_task.TASK, environments.CLEANUP, admission.SWEEP),
)
