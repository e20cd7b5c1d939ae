"""Public names of `default_handler_service`."""

from lowcloud_toolkit.serving import *
