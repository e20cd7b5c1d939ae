"""XGBoost's container."""
