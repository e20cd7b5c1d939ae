"""What serves a model follows from its image, from what is registered for that, and from the model's environment."""

from pathlib import Path

import pytest

from lowcloud.catalog import frameworks
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.programs import images, resolver
from lowcloud.core.programs.images import Image
from lowcloud.core.serving import model_servers
from lowcloud.core.serving.models import Model
from lowcloud.engine.work import StagingError
from lowcloud.home.settings import EXECUTION_ROLE

SCIKIT_LEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


def test_a_built_in_image_serves_its_own_models_and_scripts_where_one_is_named(context: Context) -> None:
    assert model_servers.resolve(context, "linear-learner:1", {}).command[-1] == "linear-learner"
    assert model_servers.resolve(context, "linear-learner:1", {"SAGEMAKER_PROGRAM": ""}).is_built_in
    with pytest.raises(resolver.UnknownImageError):
        model_servers.resolve(context, "linear-learner:1", {"SAGEMAKER_PROGRAM": "serve.py"})


def test_a_framework_image_serves_by_script(context: Context) -> None:
    server = model_servers.resolve(context, SCIKIT_LEARN, {})
    assert server.command == frameworks.SERVE_COMMAND
    assert not server.is_built_in


def test_a_registered_environment_is_used_as_its_user_has_made_it(context: Context, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    images.register(context, Image("mine", 0.0, python=str(tmp_path)))
    model = Model("m", 0.0, "mine", EXECUTION_ROLE, variables={"SAGEMAKER_PROGRAM": "serve.py"})
    program = model_servers.program_of(context, model)
    assert model_servers.environment_request(context, model, program).name == str(tmp_path)
    assert model_servers.has_network(model, program)


def test_registered_requirements_are_an_environment_to_build(context: Context) -> None:
    images.register(context, Image("mine", 0.0, requirements="rich\n"))
    model = Model("m", 0.0, "mine", EXECUTION_ROLE)
    request = model_servers.environment_request(context, model, model_servers.program_of(context, model))
    assert request.builder(context).builds == request.name != ""


@pytest.mark.parametrize("image", [Image("mine", 0.0, command=("run",)), Image("mine", 0.0, is_container=True)])
def test_an_image_registered_as_a_command_or_a_container_serves_no_models(context: Context, image: Image) -> None:
    images.register(context, image)
    with pytest.raises(InvalidError, match="cannot serve models yet"):
        model_servers.resolve(context, "mine", {})


def test_an_unknown_image_is_refused_with_the_way_to_register_it(context: Context) -> None:
    with pytest.raises(resolver.UnknownImageError, match="lowcloud image add"):
        model_servers.resolve(context, "whatever", {})


def test_tensorflow_serving_is_refused_with_the_reason_and_a_way_to_serve(context: Context) -> None:
    with pytest.raises(InvalidError, match="TensorFlow Serving is not available here"):
        model_servers.resolve(context, "1.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.14-cpu", {})
    assert model_servers.resolve(context, "x/tensorflow-training:2.14-cpu-py310", {}).takes_source


def test_a_script_that_is_not_in_the_store_fails_the_staging_with_its_name(context: Context) -> None:
    variables = {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://nowhere/source.tar.gz"}
    model = Model("m", 0.0, SCIKIT_LEARN, EXECUTION_ROLE, variables=variables)
    with pytest.raises(StagingError, match=r"s3://nowhere/source\.tar\.gz"):
        model_servers.environment_request(context, model, model_servers.program_of(context, model))
