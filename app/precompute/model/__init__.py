"""The language model: loading it, its vocabulary, running it, its parts. Knows no stage."""
