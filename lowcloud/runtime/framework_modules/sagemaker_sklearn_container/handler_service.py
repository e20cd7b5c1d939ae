"""Public names of `handler_service`."""

from lowcloud_toolkit.sklearn_handler import *
