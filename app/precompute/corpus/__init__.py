"""Stage 1: documents or token arrays -> contexts, rows of token ids. Knows no model."""
