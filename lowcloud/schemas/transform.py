"""The stored feature transform, written by the program `preprocess` or the Python SDK, applied in serving."""

FORMAT = "lowcloud/transform"
VERSION = 1
FILE = "transform.json"
CHANNEL = "transform"  # of a training job, which stores the file with the model
