"""Public names of `runner`."""

from lowcloud_toolkit.parameters import *
