"""Checks of policies beyond their grammar: what names nothing, allows more than it seems to, or is superfluous.

Source: IAM User Guide, "IAM policy validation check reference".
"""
