"""Public names of `parameters`."""

from lowcloud_toolkit.parameters import *
