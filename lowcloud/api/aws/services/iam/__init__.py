"""IAM: users, groups, roles, their keys and policies, instance profiles and identity providers."""
