"""Examples as every page shows them: choice, sections, lines of tokens."""
