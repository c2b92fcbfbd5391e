"""What is visibly wrong with translations."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xproj.core.translation_checks import MIN_PAIRS, check, is_copy, repeats, stutters

SOURCE = "the small house on the hill is very old"
GOOD = ("the old man saw a house", "el hombre viejo vio una casa")


@pytest.mark.parametrize(
    ("source", "target", "status"),
    [
        (SOURCE, "la casa pequeña en la colina es muy vieja", "ok"),
        (SOURCE, "", "translation_empty"),
        (SOURCE, " \u200b\n", "translation_empty"),
        (SOURCE, SOURCE, "translation_copied"),
        (SOURCE, f"  {SOURCE.upper()} ", "translation_copied"),
        ("Peter Smith , Reuters 1996-08-30", "Peter Smith , Reuters 1996-08-30", "ok"),
        ("OK", "OK", "ok"),
        (SOURCE, "la casa casa casa casa casa", "translation_repeated"),
        (SOURCE, "la casa en la casa en la casa en la casa en", "translation_repeated"),
        ("no no no no no !", "¡ no no no no no !", "ok"),
        (SOURCE, "家" * 30, "translation_repeated"),
        (SOURCE, "山上的小房子很旧", "ok"),
        ("很 小 的 房 子", "很 小 的 房 子", "translation_copied"),
    ],
)
def test_one_pair(source, target, status):
    assert check([source], [target]) == [status]


def test_a_copy_is_no_mistake_within_a_language():
    assert check([SOURCE], [SOURCE], same_language=True) == ["ok"]


def test_lengths_are_judged_by_the_usual_ratio():
    sources, targets = [GOOD[0]] * MIN_PAIRS, [GOOD[1]] * MIN_PAIRS
    long, short = " ".join(f"palabra{k}" for k in range(40)), "casa"
    text = " ".join(f"word{k}" for k in range(20))
    found = check([*sources, GOOD[0], text, "", "Hi"], [*targets, long, short, "", "¡ Buenos días a todos !"])
    assert found == ["ok"] * MIN_PAIRS + ["translation_too_long", "translation_too_short", "translation_empty", "ok"]
    assert check([GOOD[0]], [long]) == ["ok"], "nothing is known about the languages"


def test_the_order_does_not_matter():
    pairs = [(GOOD[0] + " and" * (k % 3), GOOD[1] * (1 + 9 * (k == 7))) for k in range(40)]
    expected = dict(zip(pairs, check(*zip(*pairs, strict=True)), strict=True))
    random.Random(1).shuffle(pairs)
    assert check(*zip(*pairs, strict=True)) == [expected[pair] for pair in pairs]


@given(st.lists(st.sampled_from("ab"), max_size=12), st.integers(1, 4))
def test_repeats_are_counted_like_by_trying_all(units, longest):
    best = min(len(units), 1)
    for n in range(1, longest + 1):
        for start in range(len(units)):
            times = 1
            while units[start : start + n] == units[start + times * n : start + (times + 1) * n] != []:
                times += 1
            best = max(best, times)
    assert repeats(units, longest) == best


def test_parts():
    assert is_copy("A b c d e f", "a B c d e f") and not is_copy("a b c d e f", "a b c d e g")
    assert stutters("x", "a b a b a b a b") and not stutters("x", "a b a b a b")
