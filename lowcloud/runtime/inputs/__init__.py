"""Inputs that a program reads while it runs: named pipes, and files whose bytes are fetched when read."""
