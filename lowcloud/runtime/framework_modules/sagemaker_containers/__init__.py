"""The training toolkit under its former name."""

from lowcloud_toolkit.environment import Environment as training_env

__all__ = ["training_env"]
