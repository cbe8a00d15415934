"""Whole files, names, tables, images and processes: whatever touches the disk or the machine."""
