"""Runs listed in a table, one by one or by patterns."""
