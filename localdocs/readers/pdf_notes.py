"""The filled-in form fields and the notes in a PDF."""

from collections.abc import Callable, Sequence
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from .pdf_layout import Line, Piece

_CHOICES = {pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX}
_BUTTONS = {pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON}
_PASSWORD = 1 << 13  # of a field's flags
_NOTES = {pdfium.FPDF_ANNOT_TEXT, pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_HIGHLIGHT}


def notes(
    document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage, lines: Sequence[Line]
) -> list[str]:
    """Returns a line for each filled-in field, with its name and value, and for each note.

    Also inserts each value after its label in ``lines``, which are those of ``page``. The forms
    of ``document`` must have been initialised.
    """
    found = []
    for number in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, number)
        try:
            found.append(_note(document.formenv, annotation, lines))
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return list(filter(None, found))


def _note(form: Any, annotation: Any, lines: Sequence[Line]) -> str:
    if pdfium.FPDFAnnot_GetFlags(annotation) & pdfium.FPDF_ANNOT_FLAG_HIDDEN:
        return ""
    if pdfium.FPDFAnnot_GetSubtype(annotation) in _NOTES:
        return _string(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents")
    value = _value(form, annotation)
    if not value:
        return ""
    if pdfium.FPDFAnnot_GetFormFieldType(form, annotation) not in _BUTTONS:
        _put_behind_label(" ".join(value.split()), annotation, lines)
    return f"{_name(form, annotation)}: {value}"


def _put_behind_label(value: str, field: Any, lines: Sequence[Line]) -> None:
    box = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(field, box)
    labels = [
        (box.left - piece.right, number, place)
        for number, line in enumerate(lines)
        for place, piece in enumerate(line)
        if box.bottom < (piece.bottom + piece.top) / 2 < box.top and piece.left < box.left
    ]
    if labels:
        _, number, place = min(labels)
        piece = Piece(value, box.left, box.right, box.bottom, box.top)
        lines[number].insert(place + 1, piece)


def _name(form: Any, field: Any) -> str:
    """The name that readers see, or else the one that programs use."""
    shown = _string(pdfium.FPDFAnnot_GetFormFieldAlternateName, form, field)
    return shown or _string(pdfium.FPDFAnnot_GetFormFieldName, form, field)


def _value(form: Any, field: Any) -> str:
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, field)
    if kind in _BUTTONS:
        if not pdfium.FPDFAnnot_IsChecked(form, field):
            return ""
        return _string(pdfium.FPDFAnnot_GetFormFieldExportValue, form, field)
    if kind in _CHOICES:
        chosen = [
            _string(pdfium.FPDFAnnot_GetOptionLabel, form, field, number)
            for number in range(pdfium.FPDFAnnot_GetOptionCount(form, field))
            if pdfium.FPDFAnnot_IsOptionSelected(form, field, number)
        ]
        if chosen:
            return ", ".join(chosen)
    if pdfium.FPDFAnnot_GetFormFieldFlags(form, field) & _PASSWORD:
        return ""
    return _string(pdfium.FPDFAnnot_GetFormFieldValue, form, field)


def _string(function: Callable[..., int], *args: Any) -> str:
    """Calls a function of pdfium twice: for the size of its text in bytes, and for the text."""
    size = function(*args, None, 0)
    buffer = (pdfium.FPDF_WCHAR * (size // 2))()
    function(*args, buffer, size)
    return bytes(buffer).decode("utf-16-le", "replace").rstrip("\0").replace("\r", "\n").strip()
