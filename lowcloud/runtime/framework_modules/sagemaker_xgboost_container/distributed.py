"""Public names of `distributed`."""

from lowcloud_toolkit.rabit import *
