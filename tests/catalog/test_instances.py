"""Instance types: all that SageMaker has, with AWS's published figures of well-known ones."""

import re
from itertools import pairwise

import botocore.session
import pytest

from lowcloud.catalog import instances
from lowcloud.catalog.instances import INSTANCES, UnknownInstanceTypeError


def names_of_sagemaker() -> set[str]:
    model = botocore.session.get_session().get_service_model("sagemaker")
    enums = (getattr(model.shape_for(name), "enum", None) or () for name in model.shape_names)
    return {name for enum in enums for name in enum if name.startswith("ml.")}


def families() -> dict[str, list[instances.Instance]]:
    found: dict[str, list[instances.Instance]] = {}
    for instance in INSTANCES.values():
        found.setdefault(instance.name.split(".")[1], []).append(instance)
    return found


def test_every_instance_type_of_sagemaker_is_known_and_no_other():
    known = names_of_sagemaker()
    assert len(known) > 400
    assert set(INSTANCES) >= known  # an older botocore knows fewer


@pytest.mark.parametrize(("family", "members"), families().items(), ids=str)
def test_all_resources_of_a_family_grow_with_its_sizes(family, members):
    grown = sorted(members, key=lambda one: (one.vcpus, one.memory_gib, one.accelerator_memory_gib))
    for small, large in pairwise(grown):
        assert small.memory_gib <= large.memory_gib
        if not large.gpus or small.accelerators <= large.accelerators:  # a g5.16xlarge has one GPU, a 12xlarge four
            assert small.price_per_hour < large.price_per_hour


def test_a_size_determines_the_number_of_processors():
    """Nxlarge is 4 N, but where AWS gives whole machines or cores."""
    odd = {"ml.c4.8xlarge", "ml.p2.xlarge", "ml.inf2.xlarge", "ml.g4dn.xlarge"}
    for instance in INSTANCES.values():
        match = re.fullmatch(r"ml\.[\w-]+\.(\d+)xlarge", instance.name)
        if match and instance.name not in odd:
            assert instance.vcpus == 4 * int(match[1]), instance.name


# From AWS's tables: vCPU, GiB, GPUs, dollars an hour.
PUBLISHED = [
    ("ml.t3.medium", 2, 4, 0, 0.05),
    ("ml.m5.large", 2, 8, 0, 0.115),
    ("ml.m5.xlarge", 4, 16, 0, 0.23),
    ("ml.m5.4xlarge", 16, 64, 0, 0.922),
    ("ml.m5.24xlarge", 96, 384, 0, 5.53),
    ("ml.c5.xlarge", 4, 8, 0, 0.204),
    ("ml.c5.9xlarge", 36, 72, 0, 1.836),
    ("ml.r5.8xlarge", 32, 256, 0, 2.419),
    ("ml.p2.xlarge", 4, 61, 1, 1.125),
    ("ml.p3.2xlarge", 8, 61, 1, 3.825),
    ("ml.p3.16xlarge", 64, 488, 8, 28.152),
    ("ml.g4dn.xlarge", 4, 16, 1, 0.736),
    ("ml.g4dn.12xlarge", 48, 192, 4, 4.89),
    ("ml.g5.xlarge", 4, 16, 1, 1.408),
    ("ml.g5.48xlarge", 192, 768, 8, 20.36),
    ("ml.g6.12xlarge", 48, 192, 4, 5.752),
    ("ml.g7e.2xlarge", 8, 64, 1, 4.2039),
    ("ml.p4d.24xlarge", 96, 1152, 8, 25.2513),
    ("ml.p5.48xlarge", 192, 2048, 8, 63.296),
]


@pytest.mark.parametrize(("name", "vcpus", "gib", "gpus", "dollars"), PUBLISHED)
def test_well_known_types_are_as_published(name, vcpus, gib, gpus, dollars):
    found = instances.find(name)
    assert (found.vcpus, found.memory_gib, found.gpus) == (vcpus, gib, gpus)
    assert found.price_per_hour == pytest.approx(dollars, rel=0.005)
    assert not found.price_is_estimate


def test_other_accelerators_are_not_counted_as_gpus():
    assert [instances.find(f"ml.{name}").accelerator for name in ("inf1.xlarge", "inf2.xlarge")] == ["inferentia"] * 2
    assert instances.find("ml.trn1.32xlarge").accelerator == "trainium"
    assert instances.find("ml.trn1.32xlarge").gpus == 0
    assert (instances.find("ml.p4d.24xlarge").accelerator_name, instances.find("ml.p4d.24xlarge").gpus) == ("A100", 8)


def test_disks_of_a_machine_are_known():
    sizes = {name: instances.find(name).nvme_gb for name in ("ml.m5d.24xlarge", "ml.c5d.9xlarge", "ml.i3en.3xlarge")}
    assert sizes == {"ml.m5d.24xlarge": 3600, "ml.c5d.9xlarge": 900, "ml.i3en.3xlarge": 7500}
    assert instances.find("ml.m5.large").nvme_gb == 0


def test_an_unknown_type_is_refused_by_name():
    with pytest.raises(UnknownInstanceTypeError, match=r"ml\.x9\.large"):
        instances.find("ml.x9.large")
