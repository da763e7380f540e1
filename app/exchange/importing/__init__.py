"""Files other tools wrote, read into the records of `app.exchange.foreign`."""
