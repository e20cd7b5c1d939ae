"""Public names of `encoder`."""

from lowcloud_toolkit.arrays import *
