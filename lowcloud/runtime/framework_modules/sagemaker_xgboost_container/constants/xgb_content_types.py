"""Public names of `xgb_content_types`."""

from lowcloud_toolkit.dmatrix import *
