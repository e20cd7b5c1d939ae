"""Public names of `encoder`."""

from lowcloud_toolkit.dmatrix import *
