"""Public names of `handler_service`."""

from lowcloud_toolkit.handlers.sklearn import *
