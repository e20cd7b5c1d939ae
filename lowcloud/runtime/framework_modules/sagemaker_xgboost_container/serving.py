"""Public names of `serving`."""

from lowcloud_toolkit.xgboost_handler import *
