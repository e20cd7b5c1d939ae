"""Inputs on their way from the object store to a job, and outputs on their way back."""
