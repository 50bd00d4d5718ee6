"""Files that are text: tables, data, front matter, source code, logs."""

import pytest

from localdocs.readers.tables import named_rows

HEADER_CASES = {
    "numbers below": "id,name,balance|1,Anna,5.10|2,Bob,6.20",
    "dates below": "day,what|2024-01-02,Rain|2024-01-03,Sun",
    "codes below": "Code,Meaning|E17,Pump blocked|E18,Door open",
    "words below, three columns": "Name,Department,Town|Anna,Sales,Bonn|Bob,IT,Ulm",
    "a word comes again": "Name,Fruit|Anna,Apple|Bob,Pear|Carl,Pear",
    "small letters": "term,meaning|Alpha,First letter|Beta,Second letter",
    "years": "Country,2019,2020|Chad,5.1,5.2|Mali,7.5,7.6",
    "months": "Country,2024-01,2024-02|Chad,5,6|Mali,7,8",
    "an empty corner": ",Q1,Q2|Anna,5,6|Bob,7,8",
    "trailing empty cells": "Name,Age,,|Anna,5,,|Bob,7,,",
}
OTHER_CASES = {
    "numbers above": "1,Anna,5.10|2,Bob,6.20",
    "names on the left": "Name,Anna Miller|Street,High Street 5|Born,1990|Phone,030 1234",
    "two columns of words": "Anna,Bonn|Bob,Ulm",
    "the first row's words come again": "Anna,Sales,Bonn|Bob,IT,Ulm|Carl,Sales,Bonn",
    "a name twice": "Name,Name,Age|Anna,Miller,5|Bob,Smith,6",
    "one row": "Name,Age,Town",
}


def table(text: str) -> list[list[str]]:
    return [row.split(",") for row in text.split("|")]


@pytest.mark.parametrize("rows", HEADER_CASES.values(), ids=HEADER_CASES)
def test_each_row_has_the_names_of_its_columns(rows: str) -> None:
    names, *values = table(rows)
    expected = [
        "; ".join(f"{n}: {v}" if n else v for n, v in zip(names, row, strict=True) if v)
        for row in values
    ]
    assert list(named_rows(table(rows))) == expected


@pytest.mark.parametrize("rows", OTHER_CASES.values(), ids=OTHER_CASES)
def test_without_a_header_the_values_stand_alone(rows: str) -> None:
    assert list(named_rows(table(rows))) == ["; ".join(row) for row in table(rows)]


def test_a_tables_title_may_stand_above_its_header() -> None:
    rows = [["Staff 2024", "", ""], [], ["Name", "Age", "Town"], ["Anna", "5", "Bonn"]]
    assert list(named_rows(rows)) == ["Staff 2024", "Name: Anna; Age: 5; Town: Bonn"]


def test_rows_may_be_ragged_and_cells_empty_or_of_several_lines() -> None:
    rows = [["Name", "Age"], ["Anna"], ["", "5", "x"], ["", ""], ["Bob\nSmith", "7", "", "y"]]
    expected = ["Name: Anna", "Age: 5; x", "Name: Bob Smith; Age: 7; y"]
    assert list(named_rows(rows)) == expected


def test_a_header_may_be_long_but_a_name_is_not() -> None:
    question = "How satisfied are you with the answers that our hotline gave to you last year?"
    [row] = named_rows([[question, "Town"], ["4", "Bonn"]])
    assert row == "How satisfied are you with the answers that our hotline…: 4; Town: Bonn"
