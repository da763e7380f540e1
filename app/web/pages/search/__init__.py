"""Search over all dictionaries: the query's meanings and their rankings."""
