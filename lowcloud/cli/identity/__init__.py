"""Commands for the people of a cloud."""
