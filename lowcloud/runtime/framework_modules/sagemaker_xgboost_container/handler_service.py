"""Public names of `handler_service`."""

from lowcloud_toolkit.handlers.xgboost import *
