"""What is asked of a language model, in words: one file a question, the words in one place."""
