"""Jobs as they are stored: also those that version 0.1.0 stored."""

from dataclasses import replace

from sqlalchemy import select, update

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.jobs import creation
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.programs import images
from lowcloud.core.programs.images import Image
from lowcloud.store.db.tables.jobs import training_jobs
from tests.core.jobs.test_lifecycle import SPECIFICATION

REQUESTED = replace(SPECIFICATION, image="mine", outputs=(), variables={"COLOUR": "blue"})


def test_a_job_is_loaded_as_it_was_requested_also_if_version_0_1_0_stored_it(context: Context) -> None:
    images.register(context, Image("mine", 0.0, command=("true",)))
    creation.create(context, TRAINING, "job", REQUESTED)
    assert resources.find(context, TRAINING, "job").specification == REQUESTED
    with context.database.transaction() as connection:
        stored = dict(connection.scalars(select(training_jobs.c.specification)).one())
        stored["environment"] = stored.pop("variables")
        connection.execute(update(training_jobs).values(specification=stored))
    assert resources.find(context, TRAINING, "job").specification == REQUESTED
