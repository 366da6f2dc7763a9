"""Documents of every format, made by the libraries that write them or by hand, and what is read of them."""

import builtins
import json

import docx
import pytest
from fpdf import FPDF

from embedder.documents.document import UnreadableError
from embedder.documents.reading import documents_of
from embedder.errors import DataError, MissingExtraError


def read(path):
    (document,) = documents_of(path)
    return document


def sections(document):
    """Heading path and text below it."""
    return [(s.headings, document.text[s.body : s.end].strip()) for s in document.sections]


def made(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pdf(path, *pages, outline=True, password=None):
    """Pages as lists of lines; a line that begins with # is a heading."""
    writer = FPDF()
    writer.set_font("helvetica", size=12)
    for lines in pages:
        writer.add_page()
        for line in lines:
            if line.startswith("#") and outline:
                writer.start_section(line.strip("# "), level=line.count("#") - 1)
            writer.cell(0, 8, line.strip("# "), new_x="LMARGIN", new_y="NEXT")
    if password:
        writer.set_encryption(owner_password="owner", user_password=password)
    writer.output(str(path))
    return path


MARKDOWN = """---
title: The manual
tags: [a]
---
Before any heading, with a [link](https://example.org/x) and `code`.

# Guide

<!-- a comment -->
* one
* two
  1. first
  2. second

## Install

```sh
pip install oru   # keeps   blanks
# not a heading
```

| Name | Size |
|---|---|
| disk | 10 GB |

Setext
------
<details>Hidden <b>by</b> default</details>
"""


def test_markdown(tmp_path):
    document = read(made(tmp_path, "a.md", MARKDOWN))
    assert document.title == "The manual"
    assert sections(document) == [
        ((), "Before any heading, with a link and code."),
        (("Guide",), "- one\n- two\n  1. first\n  2. second"),
        (("Guide", "Install"), "pip install oru   # keeps   blanks\n# not a heading\n\nName | Size\ndisk | 10 GB"),
        (("Guide", "Setext"), "Hidden by default"),
    ]


PAGE = """<!DOCTYPE html><html><head><title>Oru &amp; co</title><style>p {color: red}</style>
<script>var hidden = "<p>script</p>";</script></head><body>
<nav><a href="/">Home</a></nav>{before}
<h1>Guide<a class="headerlink" href="#guide">¶</a></h1>
<p>First   paragraph<br>with a break &eacute;.<p>Second one, not closed.
<ul><li>one<li>two <ul><li>inner</li></ul></ul>
<table><tr><th>Name<th>Size<tr><td><p>disk</p><p>new</p></td><td></td></tr></table>
<h2>Code</h2><pre>a  b
  c</pre><div hidden>unseen</div>{after}
<footer>Imprint</footer></body></html>"""


def test_html(tmp_path):
    document = read(made(tmp_path, "a.html", PAGE.replace("{before}", "").replace("{after}", "")))
    assert document.title == "Oru & co"
    assert sections(document) == [
        (
            ("Guide",),
            "First paragraph\nwith a break é.\n\nSecond one, not closed.\n- one\n- two\n  - inner\n\n"
            "Name | Size\ndisk\nnew |",
        ),
        (("Guide", "Code"), "a  b\n  c"),
    ]


def test_of_a_page_with_a_main_part_this_part_is_read(tmp_path):
    page = PAGE.replace("{before}", "<header>Shop</header><main>").replace("{after}", "</main><aside>News</aside>")
    text = read(made(tmp_path, "a.htm", page)).text
    assert "Guide" in text
    assert not [word for word in ("Shop", "News", "Home", "Imprint", "script", "color", "unseen") if word in text]


def test_an_unclosed_element_does_not_hide_the_rest(tmp_path):
    document = read(made(tmp_path, "a.html", "<div><nav>menu</div><p>text</p></i></b><h1>Title</h1>more"))
    assert sections(document) == [((), "text"), (("Title",), "more")]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "naïve € 東京"),
        ("utf-8-sig", "naïve € 東京"),
        ("utf-16", "naïve € 東京"),
        ("utf-32", "naïve € 東京"),
        (
            "cp1252",
            "The café\u2019s naïve owner said \u201cdéjà vu\u201d twice. Très bien, he added, and left for Genève.",
        ),
        ("cp1252", "Temperature 20 °C"),
        ("cp1252", "Die Straße nach München ist schön, aber über die Brücke geht es nicht."),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy. To je česká věta s mnoha znaky."),
        ("cp1251", "Привет, мир! Это обычный русский текст в старой кодировке, который должен быть прочитан."),
        ("shift_jis", "これは日本語の文章です。東京は日本の首都であり、世界でも大きな都市の一つです。"),
    ],
)
def test_encodings(tmp_path, encoding, text):
    assert read(made(tmp_path, "a.txt", text.encode(encoding))).text == text


def test_the_encoding_that_a_page_names_counts(tmp_path):
    page = '<meta charset="windows-1252"><p>é</p>'.encode("cp1252")
    assert read(made(tmp_path, "a.html", page)).text == "é"


@pytest.mark.parametrize("encoding", ["undefined", "idna", "base64", "no-such"])
def test_a_page_that_names_no_encoding_of_texts_is_read_all_the_same(tmp_path, encoding):
    page = f'<meta charset="{encoding}"><p>stra\xdfe</p>'.encode("cp1252")
    assert read(made(tmp_path, "a.html", page)).text == "stra\xdfe"


def test_line_breaks_of_other_systems(tmp_path):
    assert read(made(tmp_path, "a.txt", b"one\r\ntwo\rthree\n")).text == "one\ntwo\nthree\n"


def test_docx(tmp_path):
    written = docx.Document()
    written.add_heading("The manual", 0)
    written.add_paragraph("Before.")
    written.add_heading("Install", 1)
    written.add_paragraph("one", style="List Bullet")
    written.add_paragraph("two", style="List Bullet")
    written.add_heading("Sizes", 2)
    table = written.add_table(rows=2, cols=3)
    for cell, text in zip(
        (c for row in table.rows for c in row.cells), ["Name", "Size", "Use", "disk", "", "10GB"], strict=True
    ):
        cell.text = text
    written.save(tmp_path / "a.docx")
    assert sections(read(tmp_path / "a.docx")) == [
        (("The manual",), "Before."),
        (("The manual", "Install"), "- one\n- two"),
        (("The manual", "Install", "Sizes"), "Name | Size | Use\ndisk | | 10GB"),
    ]


def test_pdf_has_pages_and_the_headings_of_its_outline(tmp_path):
    first, second, third = (
        f"A {word} line that is as wide as a line of a paragraph is" for word in ("one", "two", "six")
    )
    path = pdf(
        tmp_path / "a.pdf",
        ["# 1 Guide", first, "ends here.", "## Install", "Run it."],
        ["# Other", second, third],
        ["and goes on, until it comes to an end on the third page.", "Done."],
    )
    document = read(path)
    assert sections(document) == [
        (("1 Guide",), f"{first} ends here."),
        (("1 Guide", "Install"), "Run it."),
        (("Other",), f"{second} {third}\nand goes on, until it comes to an end on the third page. Done."),
    ]
    assert [document.text[start:].split()[0] for start in document.pages] == ["1", "Other", "and"]


def test_running_heads_and_page_numbers_are_no_text(tmp_path):
    pages = [["The manual", f"Body {chr(97 + n)} {n % 2}.", f"Page {n + 5} of 9"] for n in range(4)]
    document = read(pdf(tmp_path / "a.pdf", *pages))
    assert document.text.split("\n") == ["Body a 0.", "Body b 1.", "Body c 0.", "Body d 1."]
    chapters = [
        [f"Chapter {n // 2 + 1}", f"Body {chr(97 + n)}."] if n % 2 == 0 else [f"More {chr(97 + n)}."] for n in range(6)
    ]
    assert "Chapter 3" in read(pdf(tmp_path / "b.pdf", *chapters, outline=False)).text


def test_words_are_joined_where_a_line_hyphenates_them(tmp_path):
    assert "international" in read(pdf(tmp_path / "a.pdf", ["An inter-", "national word."])).text


def test_pages_that_are_pictures_are_named(tmp_path):
    from PIL import Image

    image, writer = tmp_path / "scan.png", FPDF()
    Image.new("L", (20, 20)).save(image)
    writer.set_font("helvetica")
    for text in ("", "Words.", ""):
        writer.add_page()
        writer.image(str(image)) if not text else writer.cell(0, 8, text)
    writer.output(str(tmp_path / "some.pdf"))
    assert read(tmp_path / "some.pdf").missing == "text of its scanned pages (1, 3)"
    writer = FPDF()
    writer.add_page()
    writer.image(str(image))
    writer.output(str(tmp_path / "all.pdf"))
    with pytest.raises(UnreadableError, match="scanned: its pages are pictures"):
        read(tmp_path / "all.pdf")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"%PDF-1.7 no more", "damaged"),
        ("a.docx", b"PK\3\4 no archive", "no whole DOCX file"),
        ("a.md", b"", "no text in it"),
        ("a.html", b"<script>only()</script>", "no text in it"),
        ("a.txt", b"\0\1\2", "zero bytes"),
        ("a.jsonl", b'{"label": 1}\n', "no field 'text'"),
        ("a.jsonl", b"not json\n", "not JSON"),
        ("a.jsonl", b"", "empty"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, name, content, message):
    with pytest.raises(UnreadableError, match=message):
        list(documents_of(made(tmp_path, name, content)))


def test_an_encrypted_pdf_says_so(tmp_path):
    with pytest.raises(UnreadableError, match="encrypted with a password"):
        read(pdf(tmp_path / "a.pdf", ["Words."], password="secret"))


def test_json_lines(tmp_path):
    rows = [{"text": "One.", "title": "T", "id": 7}, {"text": "", "title": "Only a title"}, {"text": ""}]
    path = made(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = list(documents_of(path))
    assert [(d.text, d.title, d.id, d.line) for d in found] == [
        ("One.", "T", "7", 1),
        ("Only a title", "Only a title", "", 2),
        ("", "", "", 3),
    ]
    path.write_text('{"contents": "a"}\n{"contents": 3}\n')
    with pytest.raises(DataError, match=r"a.jsonl:2: field 'contents': expected a string"):
        list(documents_of(path))


@pytest.mark.parametrize(("name", "package"), [("a.pdf", "pypdfium2"), ("a.docx", "mammoth")])
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, name, package):
    original = builtins.__import__

    def without(module, *others, **more):
        if module == package:
            raise ImportError(module)
        return original(module, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"embedder.*\[documents\]"):
        list(documents_of(made(tmp_path, name, b"x")))
