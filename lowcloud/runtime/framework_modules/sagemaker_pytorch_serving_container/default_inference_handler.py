"""Public names of `default_inference_handler`."""

from lowcloud_toolkit.handlers.pytorch import *
