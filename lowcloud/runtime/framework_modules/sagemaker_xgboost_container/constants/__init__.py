"""Constants of XGBoost's container."""
