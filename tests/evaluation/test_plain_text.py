import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from embedder.evaluation.plain_text import controls_shown, markdown_line

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
    assert read(markdown_line(text)) == controls_shown(" ".join(text.split()))


def test_white_space_and_length_by_hand():
    assert markdown_line("a\n\n# b\tc") == "a # b c"
    assert markdown_line("one two three", 2) == "one two ..."
    assert markdown_line("x" * 100) == "x" * 60 + "..."


def test_a_text_that_is_no_unicode_can_be_written():
    markdown_line("half \ud800, \x1b[31m, \u202eabc").encode()
    assert markdown_line("\x1b\u202ea") == "\u241b⟨U+202E⟩a"
