"""A folder of documents becomes a corpus, and a file of questions its training and test queries."""

import json
import logging
import os

import docx
import pytest
from fpdf import FPDF

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.documents import kept
from embedder.documents.passages import Cutting
from embedder.documents.source import FolderSource
from embedder.errors import ConfigError, DataError

WORDS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "docs"
    (root / "sub").mkdir(parents=True)
    (root / "guide.md").write_text("# Guide\n\n## Install\n\nRun `pip install oru`.\n\n## Use\n\nCall **oru** twice.\n")
    (root / "sub" / "story.txt").write_text("The lighthouse of Oru was built in 1964. A keeper lived there.")
    return root


def source(folder, tmp_path, **more):
    return FolderSource(str(folder), str(tmp_path / "converted"), cutting=Cutting(min_words=0), **more)


def rows(folder, tmp_path, **more):
    (dataset,) = source(folder, tmp_path, **more).datasets("qa")
    return [json.loads(line) for line in dataset.file("corpus").read_text().splitlines()]


def questions(tmp_path, *given):
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return str(path)


def by_role(dataset):
    corpus = Corpus(dataset.file("corpus"))
    return {role: list(Queries(dataset.file(role), corpus)) for role in ("train", "test")}


def test_passages_know_their_file_and_headings(folder, tmp_path):
    found = rows(folder, tmp_path)
    assert [(row["title"], row["text"], row["file"]) for row in found] == [
        ("Guide > Install", "Run pip install oru.", "guide.md"),
        ("Guide > Use", "Call oru twice.", "guide.md"),
        ("story", "The lighthouse of Oru was built in 1964. A keeper lived there.", "sub/story.txt"),
    ]
    assert found[0]["headings"] == ["Guide", "Install"]
    text = (folder / "sub" / "story.txt").read_text()
    assert text[found[2]["start"] : found[2]["end"]] == found[2]["text"]
    assert all(row["id"].startswith(row["file"] + "#") for row in found)


def test_the_corpus_is_made_once_and_anew_if_a_file_is_added(folder, tmp_path):
    (first,), (again,) = source(folder, tmp_path).datasets("qa"), source(folder, tmp_path).datasets("qa")
    assert first == again
    before = rows(folder, tmp_path)
    (folder / "new.txt").write_text("Something new.")
    after = rows(folder, tmp_path)
    assert [row for row in after if row["file"] != "new.txt"] == before
    assert len(after) == 4


def test_what_is_not_read_is_counted_and_named(folder, tmp_path, caplog):
    (folder / "empty.txt").touch()
    (folder / "bytes.txt").write_bytes(b"\0\1\2")
    (folder / "old.txt").write_bytes("Très bien".encode("cp1252"))
    (folder / "picture.PNG").touch()
    (folder / ".hidden.md").write_text("secret")
    with caplog.at_level(logging.INFO):
        assert len(rows(folder, tmp_path)) == 4
    log = caplog.text
    assert "not read, or not whole (number of files: 2): bytes.txt (not text: it holds zero bytes), empty.txt" in log
    assert "read in an encoding that was guessed (number of files: 1): old.txt (cp1252)" in log
    assert "not read: 1 .png, 1 hidden" in log


def test_each_of_several_files_that_are_not_read_is_named(folder, tmp_path, caplog):
    for name in "pqrst":
        (folder / f"{name * 60}.txt").write_bytes(b"\0")
    rows(folder, tmp_path)
    assert all(f"{name * 60}.txt (not text: it holds zero bytes)" in caplog.text for name in "pqrst")


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"source.path: expected a folder of documents"):
        source(tmp_path / "none", tmp_path).datasets("qa")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.png").touch()
    with pytest.raises(ConfigError, match=r"files that end in .md, .*\(it has 1 .png\)"):
        source(tmp_path / "docs", tmp_path).datasets("qa")
    (tmp_path / "docs" / "a.md").touch()
    with pytest.raises(DataError, match=r"no document can be read: a.md \(no text in it\)"):
        source(tmp_path / "docs", tmp_path).datasets("qa")


@pytest.mark.parametrize("named", [".", "docs"])
def test_what_runs_write_is_no_document(folder, tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    (folder / "back").symlink_to(tmp_path)  # a folder above the documents, in which data is written
    with pytest.raises(ConfigError, match=f"source.path: .* that runs do not write into .*got '{named}'"):
        FolderSource(named, "data/converted").datasets("qa")


def test_a_copy_of_a_file_gives_no_second_passages_and_may_be_named(folder, tmp_path):
    (folder / "zcopy.txt").write_text((folder / "sub" / "story.txt").read_text())
    assert len(rows(folder, tmp_path)) == 3
    given = [{"question": f"When {n}?", "answers": ["1964"], "file": "zcopy.txt"} for n in range(4)]
    (dataset,) = source(folder, tmp_path, questions=questions(tmp_path, *given), test_share=0.5).datasets("qa")
    (gold,) = {query.positives for some in by_role(dataset).values() for query in some}
    assert [key_id.partition("#")[0] for key_id in gold] == ["sub/story.txt"]


def test_questions_train_and_test(folder, tmp_path):
    install, use, story = rows(folder, tmp_path)
    path = questions(
        tmp_path,
        {"question": "By id?", "answers": ["pip"], "passages": [install["id"]]},
        {"query": "By text?", "answer": "twice", "pos": use["text"]},
        {"question": "By file?", "answer": ["1964"], "file": "sub/story.txt"},
        {"question": "Answer alone?", "answer": "1964", "type": "hard"},
    )
    (dataset,) = source(folder, tmp_path, questions=path, test_share=0.5).datasets("qa")
    found = by_role(dataset)
    assert {role: len(some) for role, some in found.items()} == {"train": 2, "test": 2}
    queries = {query.text: query for some in found.values() for query in some}
    assert queries["By id?"].positives == (install["id"],)
    assert (queries["By text?"].positives, queries["By text?"].answers) == ((use["id"],), ("twice",))
    assert queries["By file?"].positives == (story["id"],)
    assert (queries["Answer alone?"].positives, queries["Answer alone?"].group("type")) == ((), "hard")


def test_a_file_that_holds_no_answer_is_gold_where_it_is_one_passage(folder, tmp_path):
    given = [
        {"question": f"In {file}?", "answers": ["no such words"], "file": file}
        for file in ("sub/story.txt", "guide.md")
    ]
    (dataset,) = source(folder, tmp_path, questions=questions(tmp_path, *given), test_share=0.5).datasets("qa")
    gold = {query.text: len(query.positives) for some in by_role(dataset).values() for query in some}
    assert gold == {"In sub/story.txt?": 1, "In guide.md?": 0}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"question": "a?", "answers": ["b"], "passages": ["no such"]},
            "names the passage 'no such', which is neither",
        ),
        ({"question": "a?", "answers": ["b"], "file": "guide.mdx"}, r"'guide.mdx', .*\(did you mean guide.md\?\)"),
        ({"question": "a?", "answers": ["b"], "file": "guide.md", "page": 3}, "names the page 3 of guide.md"),
        ({"question": "a?", "answers": ["b"], "page": 3}, "field 'page': expected a whole number, beside"),
        ({"question": "a?"}, "nothing is known of this question"),
        ({"answers": ["a"]}, "missing field 'question'"),
        ({"question": " ", "answers": ["a"]}, "field 'question' is blank"),
    ],
)
def test_wrong_questions_are_named_with_their_line(folder, tmp_path, row, message):
    path = questions(tmp_path, {"question": "Right?", "answers": ["yes"]}, row)
    with pytest.raises(DataError, match=message) as error:
        source(folder, tmp_path, questions=path).datasets("qa")
    assert f"{path}:2: " in str(error.value)


def test_without_questions_training_says_what_to_do(folder, tmp_path):
    (dataset,) = source(folder, tmp_path).datasets("qa")
    with pytest.raises(DataError, match=r"source.questions=FILE names questions"):
        dataset.file("train")


def test_slow_files_are_read_once_and_again_if_what_was_kept_is_damaged(folder, tmp_path, monkeypatch):
    document = docx.Document()
    document.add_heading("Manual", 1)
    document.add_paragraph("A paragraph.")
    document.save(folder / "manual.docx")
    read = []
    original = kept.documents_of

    def noted(path):
        read.append(path.name)
        return original(path)

    monkeypatch.setattr(kept, "documents_of", noted)
    first = rows(folder, tmp_path)
    (folder / "new.txt").write_text("Something new.")
    assert [row for row in rows(folder, tmp_path) if row["file"] != "new.txt"] == first
    assert read.count("manual.docx") == 1
    (place,) = (tmp_path / "converted" / "documents").glob("*.gz")
    place.write_bytes(place.read_bytes()[:-9])
    (folder / "newer.txt").write_text("Something newer.")
    assert [row for row in rows(folder, tmp_path) if not row["file"].startswith("new")] == first
    assert read.count("manual.docx") == 2


def test_a_disk_that_is_full_leaves_no_document_out(folder, tmp_path):
    document = docx.Document()
    document.add_paragraph("The keeper of Oru lived in the tower.")
    document.save(folder / "keeper.docx")
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "documents").touch()  # so that nothing can be kept there
    with pytest.raises(OSError, match="documents"):
        rows(folder, tmp_path)
    (tmp_path / "converted" / "documents").unlink()
    assert "keeper.docx" in {row["file"] for row in rows(folder, tmp_path)}


def test_a_file_without_headings_is_called_as_its_name_is(tmp_path):
    (tmp_path / "user_guide-2.txt").write_text("Text.")
    assert [row["title"] for row in rows(tmp_path / "user_guide-2.txt", tmp_path)] == ["user guide 2"]


def test_links_are_followed_and_no_folder_is_read_twice(folder, tmp_path, caplog):
    (folder / "sub" / "up").symlink_to(folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.txt").write_text("Far away.")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "broken.txt").symlink_to(tmp_path / "nothing")
    assert {row["file"] for row in rows(folder, tmp_path)} == {"guide.md", "sub/story.txt", "linked/far.txt"}
    assert "broken.txt (a broken link" in caplog.text


def test_pages_say_where_a_passage_is_and_which_are_gold(tmp_path):
    writer = FPDF()
    writer.set_font("helvetica")
    for text in ("The first page is about Oru.", "The second is about Ume.", "The third is about Oru."):
        writer.add_page()
        writer.cell(0, 8, text)
    writer.output(str(tmp_path / "a.pdf"))
    given = [
        {"question": "Where?", "answers": ["Oru"], "file": "a.pdf", "page": 3},
        {"question": "What?", "answers": ["no such words"], "file": "a.pdf", "page": 2},
    ]
    path = questions(tmp_path, *given)
    made = FolderSource(
        str(tmp_path / "a.pdf"), str(tmp_path / "converted"), path, test_share=0.5, cutting=Cutting(words=6, overlap=0)
    )
    (dataset,) = made.datasets("qa")
    pages = {row["id"]: row["page"] for row in map(json.loads, dataset.file("corpus").read_text().splitlines())}
    assert list(pages.values()) == [1, 2, 3]
    gold = {
        query.text: [pages[key_id] for key_id in query.positives]
        for some in by_role(dataset).values()
        for query in some
    }
    assert gold == {"Where?": [3], "What?": [2]}


def test_an_excerpt_of_another_cut_names_the_passages_that_it_overlaps(tmp_path):
    sentences = [f"The {word} keeper of the lighthouse of Oru lit it {n} times in all." for n, word in enumerate(WORDS)]
    (tmp_path / "a.txt").write_text(" ".join(sentences))
    given = [
        {"question": "Two?", "answers": ["no such words"], "passages": [" ".join(sentences[2:6]).upper()]},
        {"question": "One of them?", "answers": ["5 times"], "passages": [" ".join(sentences[2:6])]},
        {
            "question": "Inside?",
            "answers": ["x"],
            "passages": ["seventh keeper of the lighthouse of Oru lit it 6 times"],
        },
    ]
    made = FolderSource(
        str(tmp_path / "a.txt"),
        str(tmp_path / "converted"),
        questions(tmp_path, *given),
        test_share=0.4,
        cutting=Cutting(words=28, overlap=0),
    )
    (dataset,) = made.datasets("qa")
    ids = [json.loads(line)["id"] for line in dataset.file("corpus").read_text().splitlines()]
    gold = {query.text: list(query.positives) for some in by_role(dataset).values() for query in some}
    assert len(ids) == 4  # two sentences each
    assert gold == {"Two?": ids[1:3], "One of them?": [ids[2]], "Inside?": [ids[3]]}


def test_the_id_of_a_row_names_its_passages(tmp_path):
    (tmp_path / "docs").mkdir()
    rows = [{"id": 7, "text": "Oru is old. It was built in 1964."}, {"id": 8, "text": "Ume is new."}]
    (tmp_path / "docs" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = [{"question": f"When {n}?", "answers": ["1964"], "passages": ["7"]} for n in range(3)]
    made = FolderSource(
        str(tmp_path / "docs"),
        str(tmp_path / "converted"),
        questions(tmp_path, *given),
        cutting=Cutting(words=5, overlap=0),
    )
    (dataset,) = made.datasets("qa")
    (gold,) = {query.positives for some in by_role(dataset).values() for query in some}
    corpus = Corpus(dataset.file("corpus"))
    assert [corpus[corpus.position(key_id)].text for key_id in gold] == ["It was built in 1964."]


def test_names_that_are_no_text_stay_apart(tmp_path):
    (tmp_path / "docs").mkdir()
    for name in (b"a\xff.txt", b"a\xfe.txt"):
        with open(os.path.join(os.fsencode(tmp_path / "docs"), name), "w") as file:  # noqa: PTH118, PTH123  # bytes
            file.write(f"Text of {name!r}.")
    assert len({row["file"] for row in rows(tmp_path / "docs", tmp_path)}) == 2


def test_many_pdfs_are_read_in_several_processes_in_the_order_of_their_names(tmp_path, monkeypatch, caplog):
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(9):
        writer = FPDF()
        writer.set_font("helvetica", size=12)
        writer.add_page()
        writer.cell(text=f"The mill number {number} was built by Ada.")
        writer.output(str(docs / f"{number}.pdf"))
    (docs / "5.pdf").write_bytes(b"%PDF-1.7 no more")
    pdfs = sorted(docs.iterdir())
    kept.read_ahead(pdfs[:7], tmp_path / "few")
    assert not (tmp_path / "few").exists()
    kept.read_ahead(pdfs, tmp_path / "many")
    assert len(list((tmp_path / "many").iterdir())) == 8  # all but the damaged one
    (ahead,) = FolderSource(str(docs), str(tmp_path / "a")).datasets("qa")
    assert "5.pdf (damaged" in caplog.text
    monkeypatch.setattr(kept, "_MANY", 100)
    (alone,) = FolderSource(str(docs), str(tmp_path / "b")).datasets("qa")
    rows = [json.loads(line) for line in ahead.corpus.read_text().splitlines()]
    assert [row["file"] for row in rows] == [path.name for path in pdfs if path.name != "5.pdf"]
    assert ahead.corpus.read_bytes() == alone.corpus.read_bytes()


def test_the_log_says_what_was_made_of_the_files_that_a_user_named(folder, tmp_path, caplog, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / "broken.pdf").write_text("no PDF")  # of which no passage is
    questions(tmp_path, *({"question": f"What is {n}?", "answers": ["Oru"]} for n in range(4)))
    with caplog.at_level(logging.INFO, "embedder.data.converted"):
        FolderSource("docs", "made", "q.jsonl", test_share=0.25).datasets("qa")
    infos = [record for record in caplog.records if record.levelno == logging.INFO]
    told = [record.getMessage().partition(", kept in ")[0] for record in infos]
    assert told == [
        "docs: 2 passages of 2 files, 0 copies left out",
        "q.jsonl: 4 training queries",
        "q.jsonl: 3 training queries, 1 test query",
    ]
