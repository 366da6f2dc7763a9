import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from embedder.results.plain_text import markdown_cell, markdown_line
from embedder.shown import shown_lines

MARKDOWN = MarkdownIt("commonmark").enable(["strikethrough", "table"])


def read(line):
    """What Markdown makes of the line as an item of a list, which must be one paragraph of text."""
    tokens = MARKDOWN.parse(f"- {line}\n")
    kinds = [token.type for token in tokens]
    inside = kinds[2:-2]
    assert kinds[:2] + kinds[-2:] == ["bullet_list_open", "list_item_open", "list_item_close", "bullet_list_close"]
    assert inside in ([], ["paragraph_open", "inline", "paragraph_close"])
    pieces = [child for token in tokens for child in token.children or ()]
    assert {piece.type for piece in pieces} <= {"text"}, pieces
    return "".join(piece.content for piece in pieces)


HOSTILE = """&lt;b&gt; &amp; &#35;
~~gone~~
# heading
### x
#
- item
+ item
* item
1. one
10) ten
---
===
***
> quote
`code`
```
~~~
| a | b |
![x](y)
[a]: b
<script>
<http://a.b>
__b__
\\*
-5 degrees
3.5 kg
=1
http://a.b/c_d_e"""


@pytest.mark.parametrize("text", HOSTILE.split("\n"))
def test_markdown_shows_what_is_there(text):
    assert read(markdown_line(text)) == text


@given(st.text(alphabet="#*-+=_~`&;<>[]()!|\\.:1 alt\n\t\x1b\u202e", max_size=40))
@example("1.")
def test_markdown_shows_any_text(text):
    assert read(markdown_line(text)) == shown_lines(" ".join(text.split()))


def test_white_space_and_length_by_hand():
    assert markdown_line("a\n\n# b\tc") == "a # b c"
    assert markdown_line("one two three", 2) == "one two ..."
    assert markdown_line("x" * 100) == "x" * 60 + "..."


def test_a_text_that_is_no_unicode_can_be_written():
    markdown_line("half \ud800, \x1b[31m, \u202eabc").encode()
    assert markdown_line("\x1b\u202ea") == "\u241b⟨U+202E⟩a"


def cells(text):
    """What Markdown makes of a cell of a table whose second column says that nothing has moved."""
    table = f"| head | number |\n| --- | ---: |\n| {markdown_cell(text)} | 1 |\n"
    tokens = MARKDOWN.parse(table)
    inline = [token for token in tokens if token.type == "inline"]
    assert [token.content for token in inline[3:]] == ["1"], tokens
    assert {child.type for child in inline[2].children} <= {"text"}, inline[2].children
    return "".join(child.content for child in inline[2].children)


@given(st.text(alphabet="#*-+=_~`&;<>[]()!|\\.:1 alt\n\t\x1b\u202e", max_size=40))
@example("a | b\n| c | d |")
@example("<script>alert(1)</script> &amp; `x` __b__")
def test_a_cell_shows_any_text(text):
    assert cells(text) == shown_lines(text).replace("\n", " ").replace("\t", " ").strip()


def test_what_is_harmless_in_a_cell_is_left_as_it_is():
    for text in (
        "qa/nq_open",
        "<0.001",
        "+0.012 ▲",
        "-0.1 to 0.2",
        "95 % intervals",
        "R&B & C",
        "answer_recall@5 (of 3)",
    ):
        assert markdown_cell(text) == text
    assert markdown_cell("x" * 300_000) == "x" * 120 + "… (299,880 more characters)"
