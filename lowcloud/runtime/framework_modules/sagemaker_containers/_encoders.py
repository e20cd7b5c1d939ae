"""Public names of `encoders`."""

from lowcloud_toolkit.arrays import *
