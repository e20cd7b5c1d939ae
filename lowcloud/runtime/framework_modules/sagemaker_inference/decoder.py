"""Public names of `decoder`."""

from lowcloud_toolkit.arrays import *
