"""A user's own module in place of a language model: functions over tokens, of any kind of text."""
