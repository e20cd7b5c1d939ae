"""Commands about the programs that this cloud runs, and those that use it."""
