"""Public names of `errors`."""

from lowcloud_toolkit.errors import *
