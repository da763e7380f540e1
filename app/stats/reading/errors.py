"""What is wrong with a reading, and where in its text."""


class ReadingError(ValueError):
    """A reading that can't be tested; the message is one sentence for the person who typed it.

    `start` and `stop` are places in the text of the reading: the characters [start, stop) are what
    the sentence is about. Equal ones stand for the end of the text.
    """

    def __init__(self, sentence: str, start: int, stop: int) -> None:
        super().__init__(sentence)
        self.start = start
        self.stop = stop
