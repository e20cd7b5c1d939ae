"""Public names of `exceptions`."""

from lowcloud_toolkit.errors import *
