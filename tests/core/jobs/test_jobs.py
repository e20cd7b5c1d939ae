"""Jobs as they are stored: also those that version 0.1.0 stored."""

from dataclasses import replace

from sqlalchemy import select, update

from lowcloud.catalog import frameworks
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.jobs import creation, jobs
from lowcloud.core.jobs.jobs import State
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.programs import images
from lowcloud.core.programs.images import Image
from lowcloud.core.scheduling.waiting import Wait
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


def test_an_entrypoint_replaces_the_command_of_a_registered_image(context: Context) -> None:
    images.register(context, Image("mine", 0.0, command=("true",)))
    requested = replace(REQUESTED, entrypoint=("sh", "-c"), arguments=("exit 0",))
    for name, one in (("job", REQUESTED), ("other", requested)):
        creation.create(context, TRAINING, name, one)
    programs = [resources.find(context, TRAINING, name).progress.program for name in ("job", "other")]
    assert [one and one.command[len(frameworks.RUN_COMMAND) :] for one in programs] == [
        ("true",),
        ("sh", "-c", "exit 0"),
    ]


def test_a_job_waits_until_the_engine_can_start_it_and_one_that_was_deleted_meanwhile_waits_for_nothing(
    context: Context,
) -> None:
    images.register(context, Image("mine", 0.0, command=("true",)))
    creation.create(context, TRAINING, "job", REQUESTED)
    job = resources.find(context, TRAINING, "job")
    held = replace(job, is_admitted=True, progress=replace(job.progress, waits_for="No isolation works."))
    assert jobs.waits(context, [held]) == {job.subject: Wait("No isolation works.")}
    assert jobs.waits(context, [replace(held, state=State.COMPLETED)]) == {}
    assert jobs.waits(context, [replace(job, name="deleted", is_admitted=False)]) == {}


def test_a_job_that_waits_for_cores_says_how_many_it_needs(context: Context) -> None:
    images.register(context, Image("mine", 0.0, command=("true",)))
    cores = context.engine.capacity().cpus
    for name in ("first", "second"):
        creation.create(context, TRAINING, name, replace(REQUESTED, instance_type="ml.c5.24xlarge"))
    second = resources.find(context, TRAINING, "second")
    wait = jobs.waits(context, [second])[second.subject]
    assert wait.message.startswith("Waiting for ")
    assert wait.cores == cores
