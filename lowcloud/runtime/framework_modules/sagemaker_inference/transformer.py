"""Public names of `transformer`."""

from lowcloud_toolkit.serving import *
