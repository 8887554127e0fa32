"""Which values may be passed to a notebook."""

import pytest
from nbformat import v4

from histmatch_lab.publish.parameters import ParameterError, defaults, parse_parameters


def _notebook(*cells, parameters="ALPHA = 1000.0\nBINS = 256\nPHOTO = 'coffee'\nSEED: int = 0"):
    tagged = v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    return v4.new_notebook(cells=[tagged, *map(v4.new_code_cell, cells)])


READS_ALL = "print(ALPHA, BINS, PHOTO, SEED)"


def test_defaults_are_read_from_the_tagged_cell():
    expected = {"ALPHA": 1000.0, "BINS": 256, "PHOTO": "coffee", "SEED": 0}
    assert defaults(_notebook("OTHER = 3")) == expected


def test_values_take_the_type_of_the_default():
    given = {"ALPHA": "640", "BINS": "50", "PHOTO": "12"}
    values = parse_parameters(_notebook(READS_ALL), given)
    assert values == {"ALPHA": 640.0, "BINS": 50, "PHOTO": "12"}
    assert isinstance(values["ALPHA"], float)


@pytest.mark.parametrize(("name", "text"), [("BINS", "many"), ("BINS", "2.5"), ("ALPHA", "True")])
def test_a_value_of_another_type_is_refused(name, text):
    with pytest.raises(ParameterError, match=f"{name} must be .*, got '{text}'"):
        parse_parameters(_notebook(READS_ALL), {name: text})


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ParameterError, match=r"ALPA; known: ALPHA, BINS, PHOTO, SEED"):
        parse_parameters(_notebook(READS_ALL), {"ALPA": "1"})


def test_a_notebook_without_parameters_has_none():
    plain = v4.new_notebook(cells=[v4.new_code_cell("ALPHA = 1")])
    assert parse_parameters(plain, {}) == {}
    with pytest.raises(ParameterError, match="known: none"):
        parse_parameters(plain, {"ALPHA": "1"})


def test_a_parameter_that_nothing_reads_is_refused():
    with pytest.raises(ParameterError, match="SEED is never read"):
        parse_parameters(_notebook("print(ALPHA, BINS, PHOTO)"), {})


@pytest.mark.parametrize("again", ["BINS = 3", "for BINS in (1, 2): pass", "BINS += 1"])
def test_a_parameter_that_is_set_again_is_refused(again):
    with pytest.raises(ParameterError, match="BINS is set again"):
        parse_parameters(_notebook(READS_ALL, again), {})


def test_magics_count_as_code():
    assert parse_parameters(_notebook("%matplotlib inline\n" + READS_ALL), {"BINS": "9"})
