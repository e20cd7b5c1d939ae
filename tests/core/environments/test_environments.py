"""Which Python environment a job needs, under which key, and what builds it."""

from pathlib import Path

import pytest

from lowcloud import contract
from lowcloud.core.context import Context
from lowcloud.core.environments import builds, environments
from lowcloud.core.environments.environments import EnvironmentSpec
from lowcloud.core.environments.package_index import index_settings, pip_configuration
from lowcloud.core.environments.requirements import Requirements
from lowcloud.engine.work import Input


def test_a_job_without_requirements_needs_no_environment() -> None:
    assert environments.of_job((), None) is None


def test_the_requirements_of_a_job_override_those_of_its_framework() -> None:
    requested = Requirements(("Scikit_Learn==1.5", "rich"), ("numpy<2",), "d")
    environment = environments.of_job(("scikit-learn==1.2.*", "pandas"), requested)
    assert environment == EnvironmentSpec(("pandas", "Scikit_Learn==1.5", "rich"), ("numpy<2",), "d")
    assert environments.of_job(("pandas",), None) == EnvironmentSpec(("pandas",))
    named = environments.of_job(("torch", f"torchvision{contract.OPTIONAL}"), Requirements(("torchvision",)))
    assert named == EnvironmentSpec(("torch", "torchvision"))
    build_for_cpus = environments.of_job(("tensorflow-cpu==2.14.*",), Requirements(("tensorflow==2.16.1",)))
    assert build_for_cpus == EnvironmentSpec(("tensorflow==2.16.1",)), "both have the same modules"


def test_the_key_is_that_of_the_content() -> None:
    one = EnvironmentSpec(("rich",))
    assert environments.key(one) == environments.key(EnvironmentSpec(("rich",)))
    others = [
        EnvironmentSpec(("rich", "six")),
        EnvironmentSpec(("rich",), ("six<2",)),
        EnvironmentSpec(("rich",), (), "d"),
    ]
    assert len({environments.key(other) for other in [one, *others]}) == 4


def test_the_builder_gets_requirements_code_and_network(context: Context) -> None:
    environment = EnvironmentSpec(("./pkg", "rich"), ("rich<14",), "digest")
    code = Input(contract.CODE, "s3://bucket/source.tar.gz", 10)
    work = builds.builder(context, environment, code)
    assert work.id == f"environment/{work.builds}"
    assert work.builds == environments.key(environment)
    assert work.network
    assert work.replicas[0].files == {contract.REQUIREMENTS: "./pkg\nrich\n", contract.CONSTRAINTS: "rich<14\n"}
    assert work.replicas[0].archives == (code,)


def test_code_that_no_requirement_names_is_not_staged(context: Context) -> None:
    code = Input(contract.CODE, "s3://bucket/source.tar.gz", 10)
    assert builds.builder(context, EnvironmentSpec(("rich",)), code).replicas[0].archives == ()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://name:word@host/simple\nextra-index-url =\n  https://a\n  https://b\n"
        "target = /elsewhere\n[install]\ntrusted_host = host\n[list]\nformat = json\n"
    )
    return tmp_path


def settings(home: Path, **given: str) -> dict[str, str]:
    return index_settings({"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "none"), **given})


def test_indexes_of_pips_configuration_are_known_to_both_installers(home: Path) -> None:
    found = settings(home)
    assert found["PIP_INDEX_URL"] == found["UV_DEFAULT_INDEX"] == "https://name:word@host/simple"
    assert found["PIP_EXTRA_INDEX_URL"] == found["UV_INDEX"] == "https://a https://b"
    assert found["PIP_TRUSTED_HOST"] == "host"
    assert not {"PIP_TARGET", "PIP_FORMAT"} & found.keys()


def test_variables_count_more_than_files_and_no_other_passes(home: Path) -> None:
    given = {"PIP_INDEX_URL": "https://mine", "PIP_USER": "1", "https_proxy": "http://p", "AWS_SECRET_ACCESS_KEY": "s"}
    found = settings(home, **given, UV_DEFAULT_INDEX="https://uv", UV_INDEX_MINE_PASSWORD="p")
    assert found["PIP_INDEX_URL"] == "https://mine"
    assert found["UV_DEFAULT_INDEX"] == "https://uv"
    assert found["UV_INDEX_MINE_PASSWORD"] == "p"
    assert found["https_proxy"] == "http://p"
    assert not {"PIP_USER", "AWS_SECRET_ACCESS_KEY", "HOME"} & found.keys()


def test_a_configuration_file_may_be_named_or_shut_out(home: Path) -> None:
    other = home / "other.conf"
    other.write_text("[global]\nindex-url = https://other\n")
    assert settings(home, PIP_CONFIG_FILE=str(other))["PIP_INDEX_URL"] == "https://other"
    assert "PIP_TRUSTED_HOST" not in settings(home, PIP_CONFIG_FILE="/dev/null")


def test_programs_that_install_something_themselves_get_pips_part_as_a_file(home: Path) -> None:
    text = pip_configuration({"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "none"), "UV_INDEX": "https://uv"})
    assert text.startswith("[global]\n")
    assert "\nindex-url = https://name:word@host/simple\n" in text
    assert "uv" not in text
    assert pip_configuration({"HOME": str(home / "none"), "PIP_CONFIG_FILE": "/dev/null"}) == ""
