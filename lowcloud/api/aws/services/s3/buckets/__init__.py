"""Operations on buckets: buckets.py, and one module per configuration."""
