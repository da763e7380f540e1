"""An atlas taken out of the server: a site of plain files, or one feature as one file.

Pages are those of the server, asked of the application in this process without a socket, so that an
export can't say otherwise. Knows no statistics.
"""
