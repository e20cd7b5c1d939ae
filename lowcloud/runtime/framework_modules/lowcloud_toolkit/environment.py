"""The environment of a job's script: SM_TRAINING_ENV, completed by the job's configuration files."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

base_dir = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
code_dir = f"{base_dir}/code"
model_dir = f"{base_dir}/model"
input_dir = f"{base_dir}/input"
input_data_dir = f"{input_dir}/data"
input_config_dir = f"{input_dir}/config"
output_dir = f"{base_dir}/output"
output_data_dir = f"{output_dir}/data"
output_intermediate_dir = f"{output_dir}/intermediate"
HYPERPARAMETERS_FILE = "hyperparameters.json"
RESOURCE_CONFIG_FILE = "resourceconfig.json"
INPUT_DATA_CONFIG_FILE = "inputdataconfig.json"
WITHOUT_VARIABLE = ("additional_framework_parameters", "channel_input_dirs", "hyperparameters", "is_master")


def read_hyperparameters() -> dict[str, Any]:
    """Return the job's hyperparameters, decoded from JSON where they are JSON."""
    return {name: _decode(value) for name, value in _read(HYPERPARAMETERS_FILE).items()}


def read_resource_config() -> dict[str, Any]:
    """Return the hosts of the job and the name of this one."""
    return _read(RESOURCE_CONFIG_FILE)


def read_input_data_config() -> dict[str, Any]:
    """Return the channels of the job."""
    return _read(INPUT_DATA_CONFIG_FILE)


def num_gpus() -> int:
    """Return the number of GPUs of this host."""
    return int(os.environ.get("SM_NUM_GPUS") or 0)


def num_cpus() -> int:
    """Return the number of processors of this host."""
    return int(os.environ.get("SM_NUM_CPUS") or os.cpu_count() or 1)


def write_env_vars(env_vars: Mapping[str, str] | None = None) -> None:
    """Add variables to this process's environment."""
    os.environ.update(env_vars or {})


class Environment(Mapping[str, Any]):
    """What a script may know of its job, as attributes and as items: `env.model_dir`, `env["hosts"]`."""

    def __init__(
        self,
        resource_config: Mapping[str, Any] | None = None,
        input_data_config: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ):
        given = {
            "resource_config": resource_config,
            "input_data_config": input_data_config,
            "hyperparameters": hyperparameters,
        }
        self._values = {
            **_from_files(),
            **json.loads(os.environ.get("SM_TRAINING_ENV") or "{}"),
            **{name: value for name, value in given.items() if value is not None},
        }

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name not in values:
            raise AttributeError(f"The environment of a script has no {name!r}. It has {', '.join(sorted(values))}.")
        return values[name]

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def is_main(self) -> bool:
        """Whether this is the first host."""
        return bool(self._values["is_master"])

    def to_cmd_args(self) -> list[str]:
        """Return the hyperparameters as the arguments of a script."""
        return to_cmd_args(self._values["hyperparameters"])

    def to_env_vars(self) -> dict[str, str]:
        """Return the SM_* variables of a script; those that this process has stay as they are."""
        values = {name: value for name, value in self._values.items() if name not in WITHOUT_VARIABLE}
        hyperparameters, folders = self._values["hyperparameters"], self._values["channel_input_dirs"]
        more = {
            "hps": hyperparameters,
            "channels": sorted(folders),
            "user_args": self.to_cmd_args(),
            "training_env": self._values,
            **{f"hp_{name}": value for name, value in hyperparameters.items()},
            **{f"channel_{name}": folder for name, folder in folders.items()},
        }
        own = {name: value for name, value in os.environ.items() if name.startswith("SM_")}
        return {**to_env_vars({**values, **more}), **own}

    def sagemaker_s3_output(self) -> str | None:
        """Return where the job's output is stored."""
        found = self._values["additional_framework_parameters"].get("sagemaker_s3_output")
        return None if found is None else str(found)


def to_cmd_args(mapping: Mapping[str, Any]) -> list[str]:
    """Return ["--name", "value", ...] by name; a name of one letter gets one dash."""
    arguments: list[str] = []
    for name, value in sorted(mapping.items()):
        text = ",".join(f"{key}={inner}" for key, inner in sorted(value.items())) if isinstance(value, dict) else value
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", "" if text is None else str(text)]
    return arguments


def to_env_vars(mapping: Mapping[str, Any]) -> dict[str, str]:
    """Return values as SM_* variables, structures as JSON."""
    return {
        f"SM_{name.upper()}": value if isinstance(value, str) else "" if value is None else json.dumps(value)
        for name, value in mapping.items()
    }


class ServingEnv:
    """What an inference script may know of its endpoint."""

    def __init__(self) -> None:
        program = os.environ.get("SAGEMAKER_PROGRAM", "inference.py")
        self.base_dir = base_dir
        self.model_dir = os.environ.get("SM_MODEL_DIR", model_dir)
        self.module_dir = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", code_dir)
        self.module_name = program.removesuffix(".py")
        self.user_entry_point = program
        self.default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
        self.current_host = socket.gethostname()
        self.num_cpus = num_cpus()
        self.num_gpus = num_gpus()
        self.log_level = int(os.environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL") or 20)


def _from_files() -> dict[str, Any]:
    resources, channels = read_resource_config(), read_input_data_config()
    host = resources.get("current_host", socket.gethostname())
    hosts = resources.get("hosts", [host])
    groups = {one["instance_group_name"]: one for one in resources.get("instance_groups", [])}
    hyperparameters = read_hyperparameters()
    program = str(hyperparameters.get("sagemaker_program", ""))
    return {
        "additional_framework_parameters": {},
        "channel_input_dirs": {name: f"{input_data_dir}/{name}" for name in channels},
        "current_host": host,
        "current_instance_group": resources.get("current_group_name"),
        "current_instance_type": resources.get("current_instance_type"),
        "framework_module": None,
        "hosts": hosts,
        "hyperparameters": {k: v for k, v in hyperparameters.items() if not k.startswith("sagemaker_")},
        "input_config_dir": input_config_dir,
        "input_data_config": channels,
        "input_dir": input_dir,
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "is_master": host == hosts[0],
        "job_name": os.environ.get("TRAINING_JOB_NAME", ""),
        "log_level": 20,
        "master_hostname": hosts[0],
        "model_dir": model_dir,
        "module_dir": code_dir,
        "module_name": program.removesuffix(".py"),
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "num_cpus": num_cpus(),
        "num_gpus": num_gpus(),
        "num_neurons": 0,
        "output_data_dir": output_data_dir,
        "output_dir": output_dir,
        "output_intermediate_dir": output_intermediate_dir,
        "resource_config": resources,
        "user_entry_point": program,
    }


def _read(name: str) -> dict[str, Any]:
    try:
        with open(f"{input_config_dir}/{name}") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {}


def _decode(value: Any) -> Any:
    try:
        return json.loads(value)
    except (ValueError, TypeError):
        return value
