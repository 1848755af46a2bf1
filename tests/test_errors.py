"""What a person reads, whatever a file has put into it."""

import pytest

from styleinv.errors import InputError, first_few


@pytest.mark.parametrize(
    ("message", "desired"),
    [
        ("a.png is no image", "a.png is no image"),
        ("größe.png has 3 µm, 図", "größe.png has 3 µm, 図"),
        ("a\nb\x1b[31m\0c", "a?b?[31m?c"),
    ],
)
def test_message_is_one_line(message, desired):
    assert str(InputError(message)) == desired


def test_message_is_no_longer_than_a_person_reads():
    message = f"the weight {'9' * 100_000} is too large; make it smaller"
    actual = str(InputError(message))
    assert len(actual) < 4000
    assert actual.startswith("the weight 999")
    assert actual.endswith("9 is too large; make it smaller")


@pytest.mark.parametrize(("count", "desired"), [(5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4, ...")])
def test_first_few_are_five(count, desired):
    assert first_few([str(k) for k in range(count)]) == desired
