"""What a person or a cluster calls: whole jobs, pieces of them, the demo, a folder to work in."""
