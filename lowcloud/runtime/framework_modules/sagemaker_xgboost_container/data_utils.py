"""Public names of `data_utils`."""

from lowcloud_toolkit.dmatrix import *
