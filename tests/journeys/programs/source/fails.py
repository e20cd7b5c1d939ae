"""A script that ends with an error."""

import sys

print("about to fail", flush=True)
if "--quietly" in sys.argv:
    sys.exit(3)
raise ValueError("the rows have 11 columns, expected 12")
