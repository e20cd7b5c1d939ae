"""Public names of `handler_service`."""

from lowcloud_toolkit.pytorch_handler import *
