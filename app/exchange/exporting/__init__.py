"""From an atlas to other tools' files, one file of this package for each format.

Every export reads through `app.exchange.reader`, one feature at a time, and writes through
`OutputFolder`: nothing stands under the final name before all of it does.
"""
