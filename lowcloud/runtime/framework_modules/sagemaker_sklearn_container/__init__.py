"""scikit-learn's container."""
