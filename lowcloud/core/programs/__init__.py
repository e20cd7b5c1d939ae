"""Programs: which program runs for an image name."""
