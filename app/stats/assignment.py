"""One-to-one matching with the largest sum: the assignment problem, exactly, in numpy.

Takes a matrix of scores, gives each row's column. The Hungarian method with potentials (Kuhn 1955;
shortest augmenting paths as in Jonker and Volgenant 1987): a row after the other finds its place
and moves those before it as far as that pays. The definition for small matrices; the job uses a
compiled one.
"""

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray


def assigned(score: Float[ndarray, "n m"]) -> Int64[ndarray, " n"]:
    """The column of every row, each used once, with the largest sum of scores; −1 for the rows that
    go without where there are fewer columns."""
    n, m = score.shape
    if n > m:
        columns = assigned(score.T)
        found = np.full(n, -1)
        found[columns] = np.arange(m)
        return found
    cost = np.full((n + 1, m + 1), np.inf)
    cost[1:, 1:] = -score
    of_row, of_column, owner = np.zeros(n + 1), np.zeros(m + 1), np.zeros(m + 1, np.int64)
    for row in range(1, n + 1):
        _place(row, cost, of_row, of_column, owner)
    found = np.full(n, -1)
    held = np.flatnonzero(owner[1:])
    found[owner[1:][held] - 1] = held
    return found


def _place(row: int, cost: ndarray, of_row: ndarray, of_column: ndarray, owner: ndarray) -> None:
    """Gives a row a column along the cheapest path of moves; column 0 is where it starts from."""
    owner[0], column = row, 0
    least, before = np.full(len(owner), np.inf), np.zeros(len(owner), np.int64)
    seen = np.zeros(len(owner), np.bool_)
    while True:
        seen[column] = True
        at = owner[column]
        reduced = cost[at] - of_row[at] - of_column
        nearer = ~seen & (reduced < least)
        least[nearer], before[nearer] = reduced[nearer], column
        following = int(np.where(seen, np.inf, least).argmin())
        step = least[following]
        of_row[owner[seen]] += step
        of_column[seen] -= step
        least[~seen] -= step
        column = following
        if not owner[column]:
            break
    while column:
        owner[column] = owner[before[column]]
        column = int(before[column])
