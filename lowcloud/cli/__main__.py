"""`python -m lowcloud.cli`: the same as `lowcloud`."""

from lowcloud.cli import main

main()
