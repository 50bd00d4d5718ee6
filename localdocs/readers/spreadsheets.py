"""Spreadsheets: Excel and OpenDocument."""

import datetime
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum

from ..errors import UnreadableFile
from ..snippets import Document, Page
from .archives import Package, Properties, is_encrypted
from .opendocument import OpenDocument
from .tables import named_rows
from .walking import plain


def spreadsheet(path: Path) -> Document:
    """Reads each sheet as a page, with its name as heading and column names in each row.

    Formulas are replaced by their last results. Hidden sheets, rows and columns are read too.
    """
    properties = _properties(path)
    with path.open("rb") as file:
        try:
            pages = tuple(_pages(file))
        except (CalamineError, OSError) as error:
            if isinstance(error, PasswordError) or is_encrypted(path):
                raise UnreadableFile("it is encrypted") from error
            raise UnreadableFile(f"it is not a {path.suffix.lower()} file, or damaged") from error
        except BaseException as error:
            # calamine crashed. The class is not public, and not a subclass of Exception.
            if type(error).__name__ == "PanicException":
                raise UnreadableFile("it is damaged") from error
            raise
    return Document(pages, *properties, markdown=True, lines=False)


def _pages(file: BinaryIO) -> Iterator[Page]:
    with CalamineWorkbook.from_filelike(file) as workbook:
        for number, sheet in enumerate(workbook.sheets_metadata):
            if sheet.typ != SheetTypeEnum.ChartSheet:
                title = " ".join(sheet.name.split())
                if rows := "\n".join(_rows(workbook, number)):
                    yield Page(f"# {title}\n\n{rows}", number + 1)


def _rows(workbook: CalamineWorkbook, number: int) -> Iterator[str]:
    sheet = workbook.get_sheet_by_index(number)
    for row in named_rows([_shown(value) for value in row] for row in sheet.iter_rows()):
        yield plain(row)


def _shown(value: object) -> str:
    """Returns a value as a spreadsheet shows it, with dates in ISO 8601."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "minutes" if value.second == 0 else "seconds")
    if isinstance(value, datetime.timedelta):
        minutes, seconds = divmod(int(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)


def _properties(path: Path) -> Properties:
    if not zipfile.is_zipfile(path):
        return Properties()  # an old .xls
    archive = OpenDocument(path)
    return archive.properties() if archive.has("meta.xml") else Package(path).properties()
