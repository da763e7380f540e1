"""Every statistic that events alone can give, in numpy.

Takes a corpus (token ids on disk) and events (feature, token, activation > 0) and gives plain
dataclasses of numbers. Knows no model, no dictionary, no database and no page: importers and the
server can use it where torch is absent.
"""
