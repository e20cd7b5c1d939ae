"""Policies and requests at random, and an evaluator to judge the cloud's own by."""
