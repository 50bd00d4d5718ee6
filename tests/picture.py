"""Takes the README's picture of the page: the default model, asked about some notes."""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh

from .server import ROOT, Server

_MOST_BYTES = 200_000
_NOTES = {
    "tomatoes.md": """# Tomatoes

Sow tomatoes indoors in March. Plant them out after the last frost, in the middle of May.
They need six hours of sun a day. Water them at the roots, never on the leaves.
""",
    "apples.md": "# Apple trees\n\nPrune apple trees in February, before the buds open.\n",
    "compost.md": "# Compost\n\nTurn the compost every four weeks.\n",
}

_SHOW_NO_TEMPORARY_FOLDER = """(folder) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = texts.nextNode()); ) text.data = text.data.replace(folder, "/home/me");
}"""


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, garden = Path(folder), Path(folder) / "Garden"
        shutil.copytree(ROOT / "instance" / "models", data / "models")
        garden.mkdir()
        for name, text in _NOTES.items():
            (garden / name).write_text(text)
        collections = Collections(data / "localdocs")
        collections.create("Garden", garden)
        refresh(collections, "Garden", Limits())
        with Server(data) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(server.url)
            page.get_by_label("Chats quote Garden").wait_for()
            page.get_by_label("seed").fill("1")
            for question in ("When do I prune apple trees?", "When should I plant tomatoes?"):
                page.get_by_role("button", name="New chat").click()
                _ask(page, question)
            page.locator(".source summary").click()
            page.get_by_label("Your message").focus()
            page.evaluate(_SHOW_NO_TEMPORARY_FOLDER, folder)
            picture = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
            browser.close()
    picture.quantize(128).save(target, optimize=True)
    assert target.stat().st_size < _MOST_BYTES


def _ask(page: Page, question: str) -> None:
    page.get_by_label("Your message").fill(question)
    page.keyboard.press("Enter")
    page.locator(".usage").wait_for(timeout=120_000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
