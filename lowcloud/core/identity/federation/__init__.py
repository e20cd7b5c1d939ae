"""Identities that others have proved: issuers that an account trusts, and their tokens."""
