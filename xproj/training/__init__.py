"""Training of taggers that are transformers: what they learn from, and how."""
