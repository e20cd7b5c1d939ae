"""Public names of `default_pytorch_inference_handler`."""

from lowcloud_toolkit.handlers.pytorch import *
