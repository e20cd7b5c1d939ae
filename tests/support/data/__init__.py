"""Data sets, and the jobs, models and endpoints made of them."""
