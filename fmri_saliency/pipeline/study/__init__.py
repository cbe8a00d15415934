"""One configuration and its output folder: settings, runs, what was noted, which file says what."""
