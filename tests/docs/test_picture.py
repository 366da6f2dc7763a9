"""The picture of the rooms is that of their imports."""

from docs.picture import PAGE, imports_of_rooms, mermaid, page_with


def test_the_picture_shows_the_imports_of_today():
    assert page_with(mermaid(imports_of_rooms())) == PAGE.read_text(encoding="utf-8"), "run python docs/picture.py"


def test_what_is_imported_through_another_room_has_no_arrow():
    # a imports b and c, b imports c: the arrow from a to c would say nothing new.
    assert mermaid({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == "flowchart TD\n    a --> b\n    b --> c\n    c\n"
