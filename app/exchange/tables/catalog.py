"""Every table, in the order files are written."""

from app.exchange.tables.columns import Table
from app.exchange.tables.examples import EXAMPLES
from app.exchange.tables.features import FEATURES
from app.exchange.tables.related import COACTIVE, NEIGHBORS
from app.exchange.tables.tokens import LOGITS, TOKENS

TABLES: tuple[Table, ...] = (FEATURES, EXAMPLES, TOKENS, LOGITS, NEIGHBORS, COACTIVE)
