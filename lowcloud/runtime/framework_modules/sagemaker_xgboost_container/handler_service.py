"""Public names of `handler_service`."""

from lowcloud_toolkit.xgboost_handler import *
