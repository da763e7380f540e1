"""What was asked for last is kept, up to a total length."""

from app.web.recent import Recent


def test_each_thing_is_made_once_while_there_is_room() -> None:
    recent: Recent[str] = Recent(most=6)
    made: list[int] = []

    def get(key: int, length: int) -> str:
        def make() -> str:
            made.append(key)
            return "x" * length

        return recent.get(key, make)

    assert get(1, 3) == "xxx" and get(2, 3) == "xxx"
    get(1, 3)
    assert made == [1, 2]
    get(3, 2)  # no room beside both: 2 was asked for longest ago
    get(1, 3)
    assert made == [1, 2, 3]
    get(2, 3)
    assert made == [1, 2, 3, 2]


def test_what_is_longer_than_all_the_room_is_still_kept_alone() -> None:
    recent: Recent[str] = Recent(most=2)
    assert recent.get(1, lambda: "long") == "long"
    assert recent.get(1, lambda: "made again") == "long"
    recent.get(2, lambda: "x")
    assert recent.get(1, lambda: "made again") == "made again"
