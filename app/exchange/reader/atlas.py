"""`Atlas`: an atlas opened for reading from Python, without the server and without torch.

    from feature_atlas import Atlas

    with Atlas.open("atlas.db") as atlas:
        feature = atlas.feature("pystdlib-3m", "resid-2-4k", 7)
        print(feature.summary, feature.statistics.density)
        for example in feature.top_examples:
            print(example.activation, example.text)

Features are read one at a time, so that memory doesn't grow with their number. Frames need pandas;
everything else does not. Knows no table.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae, list_saes
from app.db.engine import Atlas as OpenedAtlas
from app.db.engine import open_atlas
from app.db.examples import get_groups
from app.db.feature_numbers import read_features
from app.db.features import get_feature, get_panels
from app.db.records import CorpusRecord, Group, ModelRecord, SaeRecord
from app.errors import AtlasError, closest, echoed
from app.exchange.reader.feature import make_feature
from app.exchange.reader.lookups import Lookups
from app.exchange.reader.records import Feature

if TYPE_CHECKING:
    from pandas import DataFrame


class Dictionary:
    """One dictionary of an atlas; made by `Atlas.dictionary`."""

    def __init__(self, connection: Connection, sae: Sae) -> None:
        self.connection, self._lookups = connection, Lookups(connection, sae)
        self.stored = sae
        """the keys its rows stand under"""

    @property
    def address(self) -> str:
        """`model/sae`."""
        return self.stored.address

    @property
    def record(self) -> SaeRecord:
        """Hook, architecture, sizes, quality and how it was run."""
        return self.stored.record

    @property
    def model(self) -> ModelRecord:
        """The language model it belongs to."""
        return self.stored.model

    @property
    def corpus(self) -> CorpusRecord:
        """The text it was run over."""
        return self.stored.corpus

    def __len__(self) -> int:
        """The features the atlas holds of it, dead ones included."""
        return self.record.n_features

    def __iter__(self) -> Iterator[Feature]:
        return self.features()

    def feature(self, feature_index: int) -> Feature:
        """One feature with everything the atlas has about it.

        Raises:
            AtlasError: there is no such feature.
        """
        stored = self.stored
        record = get_feature(self.connection, stored.sae_id, feature_index)
        if record is None:
            raise AtlasError(
                f"{self.address} has no feature {feature_index}: it has {stored.numbers}."
            )
        groups = get_groups(self.connection, stored.sae_id, feature_index)
        self._lookups.read_contexts(
            context_id for group, _ in groups.values() for context_id in group.context_id.tolist()
        )
        return make_feature(
            stored.record.model,
            stored.record.sae,
            stored.record.imported is not None,
            record,
            get_panels(self.connection, stored.sae_id, feature_index),
            groups,
            self._lookups.tokens,
            self._lookups.context,
            self._lookups.document,
        )

    def features(self, feature_indices: Iterable[int] | None = None) -> Iterator[Feature]:
        """Features one after the other, all of them or those named; each is read when asked for."""
        every = feature_indices is None
        wanted = read_features(self.connection, self.stored, "all") if every else feature_indices
        return (self.feature(int(index)) for index in wanted)

    def features_frame(self, feature_indices: Iterable[int] | None = None) -> "DataFrame":
        """One row a feature: every scalar, the summary, the strongest token (columns and units:
        `app/exchange/tables`).

        Raises:
            AtlasError: pandas is not installed.
        """
        from app.exchange.reader.frames import table_frame

        return table_frame("features", self.features(feature_indices))

    def examples_frame(
        self,
        feature_indices: Iterable[int] | None = None,
        groups: Iterable[Group] | None = None,
    ) -> "DataFrame":
        """One row an example, of all groups or of those named; as `features_frame`."""
        from app.exchange.reader.frames import examples_frame

        return examples_frame(self.features(feature_indices), groups)

    def tokens_frame(self, feature_indices: Iterable[int] | None = None) -> "DataFrame":
        """One row a feature and token; as `features_frame`."""
        from app.exchange.reader.frames import table_frame

        return table_frame("tokens", self.features(feature_indices))

    def logits_frame(self, feature_indices: Iterable[int] | None = None) -> "DataFrame":
        """One row a feature and token promoted or suppressed; as `features_frame`."""
        from app.exchange.reader.frames import table_frame

        return table_frame("logits", self.features(feature_indices))


class Atlas:
    """An atlas opened read-only; close it, best in a `with`."""

    def __init__(self, opened: OpenedAtlas) -> None:
        self._opened, self._connection = opened, opened.connect()
        self._dictionaries: dict[str, Dictionary] = {}

    @classmethod
    def open(cls, path: str | Path) -> "Atlas":
        """Opens the file.

        Raises:
            AtlasError: no such file, not an atlas, or one of another schema version.
        """
        return cls(open_atlas(Path(path)))

    def __enter__(self) -> "Atlas":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the file back; nothing can be read after it."""
        self._connection.close()
        self._opened.close()

    @property
    def connection(self) -> Connection:
        """What the queries of `app.db` take."""
        return self._connection

    @property
    def dictionaries(self) -> list[Dictionary]:
        """Every dictionary, by model, then in the order they were added."""
        return [self._held(sae) for sae in list_saes(self._connection)]

    def dictionary(self, model: str, sae: str) -> Dictionary:
        """One of them, by the two parts of its address.

        Raises:
            AtlasError: the atlas has no such dictionary.
        """
        found = find_sae(self._connection, model, sae)
        if found is None:
            known = [one.address for one in list_saes(self._connection)]
            address = f"{model}/{sae}"
            raise AtlasError(
                f"There is no dictionary {echoed(address)} in this atlas: known are "
                f"{closest(address, known)}."
            )
        return self._held(found)

    def feature(self, model: str, sae: str, feature_index: int) -> Feature:
        """One feature; as `Dictionary.feature`."""
        return self.dictionary(model, sae).feature(feature_index)

    def _held(self, sae: Sae) -> Dictionary:
        """The same object each time, with what it has looked up."""
        if sae.address not in self._dictionaries:
            self._dictionaries[sae.address] = Dictionary(self._connection, sae)
        return self._dictionaries[sae.address]
