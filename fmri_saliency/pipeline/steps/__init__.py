"""From scans to maps and checks, step by step: each reads files, writes files, and skips what is done."""
