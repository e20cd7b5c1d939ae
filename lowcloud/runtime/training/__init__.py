"""Training programs: built-in algorithms and user scripts under the /opt/ml contract."""
