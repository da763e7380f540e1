"""The demo's corpus: the same documents in the same order, split by name."""

from pathlib import Path

from app.demo.corpus import Document, split, stdlib_documents


def test_the_library_is_found_whole_and_in_one_order() -> None:
    documents = stdlib_documents()
    names = [document.name for document in documents]
    assert documents == stdlib_documents()
    assert len(set(names)) == len(names)
    assert {"os.py", "json/decoder.py", "topic/lambda"} <= set(names)
    assert sum(len(document.text) for document in documents) > 5_000_000


def test_tests_installed_packages_and_the_builds_own_records_stay_out() -> None:
    folders = {part for document in stdlib_documents() for part in document.name.split("/")[:-1]}
    assert not folders & {"test", "tests", "idle_test", "site-packages", "encodings"}
    assert not any(document.name.startswith("_sysconfigdata") for document in stdlib_documents())


def test_files_of_another_encoding_are_left_out_and_names_sort_as_text(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "inner.py").write_text("x = 1\n", "utf-8")
    (tmp_path / "a.py").write_text("é = 2\n", "utf-8")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    found = [d for d in stdlib_documents(tmp_path) if not d.name.startswith("topic/")]
    assert found == [Document("a.py", "é = 2\n"), Document("b/inner.py", "x = 1\n")]


def test_a_split_depends_on_seed_and_name_alone() -> None:
    documents = stdlib_documents()
    train, held_out = split(documents, seed=0, share=0.05)
    assert sorted(train + held_out) == sorted(documents)
    assert 0.02 < len(held_out) / len(documents) < 0.08
    assert split(documents, seed=0, share=0.05) == (train, held_out)
    assert split(documents, seed=1, share=0.05)[1] != held_out
    fewer = documents[::2]
    assert split(fewer, seed=0, share=0.05)[1] == [d for d in fewer if d in held_out]
