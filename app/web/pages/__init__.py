"""One documented record for each page: what its template shows and what its JSON twin says."""
