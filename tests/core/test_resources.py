"""Records of any kind: what belongs to one is deleted with it."""

import threading
from contextlib import suppress

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.tracking import experiments
from lowcloud.core.tracking.experiments import EXPERIMENT, Experiment

ROUNDS = 40


def test_tags_that_are_set_while_a_resource_is_deleted_are_not_left_to_the_next_one(context: Context) -> None:
    for _ in range(ROUNDS):
        experiments.create(context, Experiment("race", 0.0, 0.0))
        start = threading.Barrier(2)

        def tag(start: threading.Barrier = start) -> None:
            start.wait()
            with suppress(NotFoundError):
                resources.add_tags(context, EXPERIMENT, "race", {"team": "blue"})

        thread = threading.Thread(target=tag)
        thread.start()
        start.wait()
        resources.delete(context, EXPERIMENT, "race")
        thread.join()
        experiments.create(context, Experiment("race", 0.0, 0.0))
        assert resources.tags_of(context, EXPERIMENT, "race") == {}
        resources.delete(context, EXPERIMENT, "race")
