"""Public names of `handler_service`."""

from lowcloud_toolkit.handlers.pytorch import *
