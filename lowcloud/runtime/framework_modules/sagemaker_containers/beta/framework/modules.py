"""Public names of `modules`."""

from lowcloud_toolkit.entry_point import *
