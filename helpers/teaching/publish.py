"""Make `site/` of the committed notebooks, without running them: the book, the slides, and a PDF of each notebook."""

import base64
import hashlib
import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter, SlidesExporter
from nbformat import NotebookNode
from tqdm import tqdm

from helpers import ROOT
from helpers.machine import INSTALL_ALL

HERE = Path(__file__).parent / "book"
SITE = ROOT / "site"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
NEEDED = ("latex2mathml", "myst_parser", "sphinx_book_theme", "sphinx_revealjs")
FOR_INSTRUCTORS = ("For instructors", "What is where")  # sections of the README that the book leaves out

# Names of browsers that print by themselves, on Linux, on the path of Windows, and where macOS and Windows keep them.
BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "chrome", "msedge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    *(
        rf"{folder}\{program}"
        for folder in (r"C:\Program Files", r"C:\Program Files (x86)", os.path.expandvars("%LOCALAPPDATA%"))
        for program in (r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe")
    ),
)  # fmt: skip


def publish() -> None:
    """Make `site/`, say how far it is, and where to open it."""
    missing = missing_packages()
    if missing:
        sys.exit(f"Publishing needs {', '.join(missing)}: {INSTALL_ALL}.")
    browser = find_browser()
    shutil.rmtree(SITE, ignore_errors=True)
    build(NOTEBOOKS, SITE, handouts=bool(browser))
    if browser:
        print_pages(browser, NOTEBOOKS, SITE)
    else:
        print("The PDFs were left out: printing them needs Chrome, Edge or Chromium, and none was found.")
    print(f"Open {(SITE / 'index.html').as_uri()}")


def missing_packages() -> list[str]:
    """The packages that publishing needs and this machine lacks."""
    return [name for name in NEEDED if not importlib.util.find_spec(name)]


def build(paths: Iterable[Path], site: Path, handouts: bool = False) -> None:
    """Make the book and the slides of the notebooks at `paths` in the folder `site`; link the PDFs if `handouts`."""
    for folder in ("pictures", "slides", "notebooks"):
        (site / folder).mkdir(parents=True)
    copy_reveal(site / "slides/reveal")
    with tempfile.TemporaryDirectory() as pages:
        for path in tqdm(paths, desc="Slides"):
            notebook = prepare(nbformat.read(path, as_version=4), site / "pictures")
            (site / f"slides/{path.stem}.html").write_text(deck_of(notebook), encoding="utf-8")
            (Path(pages) / f"{path.stem}.md").write_text(page_of(notebook, path.stem, handouts), encoding="utf-8")
            shutil.copy(path, site / "notebooks")
        shutil.copytree(ROOT / "images", Path(pages) / "images", ignore=shutil.ignore_patterns("drawing"))
        chapters = [path.stem for path in paths]
        (Path(pages) / "index.md").write_text(front_page(chapters), encoding="utf-8")
        print(f"Book of {len(chapters)} chapters …", flush=True)
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-j", "2", "-c", HERE, "-d", f"{pages}/.made"]
        subprocess.run([*command, pages, site], check=True)


def prepare(notebook: NotebookNode, pictures: Path) -> NotebookNode:
    """Change a notebook into what is published of it, and put its pictures as files into the folder `pictures`."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = formulas_as_mathml(cell.source)
            continue
        cell.metadata["role"] = "set-up" if cell is code[0] else role_of(cell)
        for output in cell.outputs:
            data = output.get("data", {})
            if "text/html" in data:
                data["text/html"] = pictures_as_files(data["text/html"], pictures)
            elif output.output_type == "display_data":  # a widget that has no picture
                data["text/html"] = f'<p class="live">In the running notebook: {html.escape(data["text/plain"])}</p>'
    return notebook


def role_of(cell: NotebookNode) -> str:
    """What the code of a cell does besides the lesson: "check", "explorer", or "" if it is the lesson."""
    tags = cell.metadata.get("tags", [])
    if cell.metadata.get("jupyter", {}).get("source_hidden") or any(tag.startswith("claim") for tag in tags):
        return "check"
    return "explorer" if re.search(r"^(explore|explorer\.photo_upload)\(", cell.source, re.MULTILINE) else ""


def formulas_as_mathml(text: str) -> str:
    """Markdown with each formula, `$…$` or `$$…$$`, as MathML, which browsers draw without a program of ours."""
    from latex2mathml.converter import convert

    def converted(match: re.Match) -> str:
        code, block, inline = match.groups()
        if code:
            return code
        if inline:
            return convert(inline)
        return f'\n\n<div class="formula" tabindex="0">{convert(block, display="block")}</div>\n\n'

    return re.sub(r"(```.+?```|`[^`]+`)|\$\$(.+?)\$\$|\$([^$]+)\$", converted, text, flags=re.DOTALL)


def pictures_as_files(text: str, folder: Path) -> str:
    """HTML whose pictures are files in `folder`, each a link to itself, so that a tap shows it in full size."""

    def linked(match: re.Match) -> str:
        before, data, after = match.groups()
        picture = base64.b64decode(data)
        name = f"{hashlib.sha256(picture).hexdigest()[:16]}.png"
        (folder / name).write_bytes(picture)
        source = f"{folder.name}/{name}"
        return f'<a class="picture" href="{source}">{before}src="{source}"{after}</a>'

    return re.sub(r'(<img [^>]*)src="data:image/png;base64,([^"]*)"([^>]*>)', linked, text)


def page_of(notebook: NotebookNode, name: str, handout: bool) -> str:
    """A prepared notebook as a page of the book, in Markdown."""
    page, _ = MarkdownExporter(template_file=str(HERE / "page.md.j2")).from_notebook_node(notebook)
    forms = {"Slides": f"slides/{name}.html", "PDF": f"handouts/{name}.pdf", "Notebook": f"notebooks/{name}.ipynb"}
    if not handout:
        del forms["PDF"]
    links = (f'<a href="{to}"{" download" * (form == "Notebook")}>{form}</a>' for form, to in forms.items())
    title, text = page.strip().split("\n", 1)
    return f'{title}\n\n<p class="forms">{" ".join(links)}</p>\n\n{text.replace(".ipynb)", ".md)")}'


def deck_of(notebook: NotebookNode) -> str:
    """A prepared notebook as slides, in HTML."""
    exporter = SlidesExporter(template_file=str(HERE / "deck.html.j2"))
    resources = {"metadata": {"name": notebook.cells[0].source.partition("\n")[0].strip("# ")}}
    deck, _ = exporter.from_notebook_node(notebook, resources)
    return re.sub(r'(src|href)="pictures/', r'\1="../pictures/', deck).replace('.ipynb"', '.html"')


def front_page(chapters: list[str]) -> str:
    """The README without the sections that are for instructors, and the list of chapters for Sphinx."""
    sections = re.split(r"^(?=## )", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    kept = "".join(text for text in sections if not text.startswith(tuple(f"## {title}" for title in FOR_INSTRUCTORS)))
    pages = re.sub(r"\(notebooks/(\w+)\.ipynb\)", r"(\1.md)", kept)
    return "\n".join([pages, "```{toctree}", ":hidden:", *chapters, "```"])


def copy_reveal(folder: Path) -> None:
    """Put reveal.js, which shows the slides, into `folder`, from the package that carries it."""
    package = Path(importlib.util.find_spec("sphinx_revealjs").origin).parent / "_static/revealjs"
    folder.mkdir()
    for name in ("LICENSE", "dist/reset.css", "dist/reveal.css", "dist/reveal.js"):
        shutil.copy(package / name, folder)
    shutil.copy(HERE / "deck.css", folder.parent)


def find_browser() -> str | None:
    """The program of an installed browser that can print pages, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def print_pages(browser: str, paths: Iterable[Path], site: Path) -> None:
    """Print the book's page of each notebook as a PDF, with the alternative texts, by a browser."""
    (site / "handouts").mkdir()

    def print_page(path: Path) -> None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            subprocess.run(
                [
                    browser, "--headless", "--disable-gpu", "--no-sandbox", "--disable-background-networking",
                    f"--user-data-dir={profile}", "--no-pdf-header-footer", "--export-tagged-pdf",
                    "--generate-pdf-document-outline", f"--print-to-pdf={site / 'handouts' / path.stem}.pdf",
                    (site / f"{path.stem}.html").as_uri(),
                ],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip

    with ThreadPoolExecutor(2) as two:
        list(tqdm(two.map(print_page, paths), total=len(paths), desc="PDFs"))
