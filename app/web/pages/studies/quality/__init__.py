"""The page of a dictionary's quality: figures, distributions over tokens, other tools' figures."""
