"""The pages that show results, and the pictures and words in them."""
