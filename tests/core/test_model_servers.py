"""What serves a model is told by its image, by what was taught of that, and by the model's environment."""

from pathlib import Path

import pytest

from lowcloud import frameworks
from lowcloud.core import images, model_servers
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.images import Image
from lowcloud.core.models import Model
from lowcloud.engine import StagingFailed

SCIKIT_LEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


def test_a_built_in_image_serves_its_own_models_and_scripts_where_one_is_named(cloud: Cloud) -> None:
    assert model_servers.find(cloud, "linear-learner:1", {}).command[-1] == "linear-learner"
    with pytest.raises(images.UnknownImage):
        model_servers.find(cloud, "linear-learner:1", {"SAGEMAKER_PROGRAM": "serve.py"})


def test_a_framework_image_serves_by_script(cloud: Cloud) -> None:
    server = model_servers.find(cloud, SCIKIT_LEARN, {})
    assert server.command == frameworks.SERVE_COMMAND
    assert not server.is_built_in


def test_a_taught_environment_is_used_as_its_user_has_made_it(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    images.teach(cloud, Image("mine", 0.0, python=str(tmp_path)))
    model = Model("m", 0.0, "mine", "role", environment={"SAGEMAKER_PROGRAM": "serve.py"})
    assert model_servers.environment_of(cloud, model) == str(tmp_path)
    assert model_servers.has_network(cloud, model)


def test_taught_requirements_are_an_environment_to_build(cloud: Cloud) -> None:
    images.teach(cloud, Image("mine", 0.0, requirements="rich\n"))
    model = Model("m", 0.0, "mine", "role")
    work = model_servers.builder(cloud, model)
    assert work.builds == model_servers.environment_of(cloud, model) != ""


@pytest.mark.parametrize("image", [Image("mine", 0.0, command=("run",)), Image("mine", 0.0, is_container=True)])
def test_what_was_taught_as_a_command_or_a_container_serves_no_models(cloud: Cloud, image: Image) -> None:
    images.teach(cloud, image)
    with pytest.raises(Invalid, match="serves no models yet"):
        model_servers.find(cloud, "mine", {})


def test_an_unknown_image_is_refused_with_the_way_to_teach_it(cloud: Cloud) -> None:
    with pytest.raises(images.UnknownImage, match="lowcloud image add"):
        model_servers.find(cloud, "whatever", {})


def test_a_script_that_is_not_in_the_store_fails_the_staging_with_its_name(cloud: Cloud) -> None:
    variables = {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://nowhere/source.tar.gz"}
    with pytest.raises(StagingFailed, match=r"s3://nowhere/source\.tar\.gz"):
        model_servers.environment_of(cloud, Model("m", 0.0, SCIKIT_LEARN, "role", environment=variables))
