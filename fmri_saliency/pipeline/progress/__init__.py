"""Where the work stands, and what each result was made from."""
