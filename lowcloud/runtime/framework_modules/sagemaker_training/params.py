"""Public names of `params`."""

from lowcloud_toolkit.parameters import *
