"""Runs in the layout of the Human Connectome Project: scans, events, families."""
