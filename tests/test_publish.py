"""What is published, read in the exported pages themselves: one build of the book and the slides, without a browser."""

import html
import re
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

from helpers.teaching import publish

READ = {path.stem: nbformat.read(path, as_version=4) for path in publish.NOTEBOOKS}
each_chapter = pytest.mark.parametrize("name", READ)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    publish.build(publish.NOTEBOOKS, folder)
    return folder


def alt_texts(text):
    """The alternative text of each picture of some HTML, "" where there is none."""
    pictures = re.findall(r"<img\b[^>]*>", text)
    return [html.unescape("".join(re.findall(r'\balt="([^"]*)"', picture))) for picture in pictures]


def alt_texts_of(cells):
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return alt_texts("\n".join(output.get("data", {}).get("text/html", "") for output in outputs))


def pages(site):
    """Every page that a reader can open, with what is written in it."""
    return {path: path.read_text(encoding="utf-8") for path in [*site.glob("*.html"), *site.glob("slides/*.html")]}


@each_chapter
def test_alt_text_of_every_picture_arrives(site, name):
    cells = READ[name].cells
    shown = [cell for cell in cells if cell.metadata.slideshow.slide_type != "skip"]
    assert len(alt_texts_of(cells)) >= 5 and all(alt_texts_of(cells))
    assert alt_texts((site / f"{name}.html").read_text(encoding="utf-8")) == alt_texts_of(cells)
    assert alt_texts((site / f"slides/{name}.html").read_text(encoding="utf-8")) == alt_texts_of(shown)


@pytest.mark.parametrize("template", ["lab", "classic"])
def test_alt_text_arrives_in_what_nbconvert_makes(template):
    name = "02_vgg"
    page, _ = HTMLExporter(template_name=template).from_notebook_node(READ[name])
    assert alt_texts(page) == alt_texts_of(READ[name].cells)


def test_front_page_shows_the_picture_of_the_readme_and_no_word_for_instructors(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    assert all(alt_texts(page)) and len(alt_texts(page)) == 1
    assert "Two commands" in page and "For instructors" not in page
    assert all(f'href="{name}.html"' in page for name in READ)


def test_nothing_is_asked_of_the_net(site):
    for path, text in pages(site).items():
        tags = re.findall(r"<(?:script|link|img|iframe|source|video)\b[^>]*>", text)
        assert [tag for tag in tags if re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag)] == [], path
        assert not re.search(r"mathjax|require\.js|jquery\.|mermaid", text, re.IGNORECASE), path
    for path in [*site.rglob("*.css"), *site.rglob("*.html")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""(?:url\(|@import )\s*["']?(?:https?:)?//""", text), path


def test_every_link_to_a_file_leads_somewhere(site):
    for path, text in pages(site).items():
        links = {html.unescape(link) for link in re.findall(r'\b(?:href|src)="([^"#?]+)', text)}
        local = {link for link in links if not re.match(r"[a-z]+:", link)}
        assert len(local) > 3
        assert [link for link in local if not (path.parent / link).exists()] == [], path


def test_links_between_notebooks_are_links_between_pages(site):
    for folder in (site, site / "slides"):
        page = (folder / "04_resnet.html").read_text(encoding="utf-8")
        article = page[page.index("04 ResNet</h1>" if folder == site else "<main") :]
        assert re.search(r'<a [^>]*href="02_vgg\.html"', article)


@each_chapter
def test_page_links_its_slides_and_the_notebook_itself(site, name):
    page = (site / f"{name}.html").read_text(encoding="utf-8")
    assert f'href="slides/{name}.html"' in page and f'href="notebooks/{name}.ipynb" download' in page
    committed = next(path for path in publish.NOTEBOOKS if path.stem == name)
    assert (site / f"notebooks/{name}.ipynb").read_bytes() == committed.read_bytes()
    assert "handouts/" not in page
    assert f'href="handouts/{name}.pdf"' in publish.page_of(nbformat.read(committed, 4), name, handout=True)


@each_chapter
def test_hints_solutions_set_up_and_checks_are_folded(site, name):
    page = (site / f"{name}.html").read_text(encoding="utf-8")
    article = page[page.index("<article") : page.index("</article>")]
    cells = READ[name].cells
    exercises = sum(cell.source.count("<details") for cell in cells if cell.cell_type == "markdown")
    code = [cell for cell in cells if cell.cell_type == "code"]
    folded = [code[0], *(cell for cell in code[1:] if publish.role_of(cell))]
    assert len(folded) >= 2
    assert len(re.findall(r"<details[^>]*>\s*<summary>", article)) == exercises + len(folded)
    assert len(re.findall(r"</details>", article)) == exercises + len(folded)
    assert not re.search(r"<details[^>]*\bopen", article)
    outside = re.sub(r"<details.*?</details>", "", article, flags=re.DOTALL)
    assert "plotting" in outside and "use_style" not in outside


@each_chapter
def test_formulas_are_mathml(site, name):
    prose = [cell.source for cell in READ[name].cells if cell.cell_type == "markdown"]
    plain = [re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL) for text in prose]
    formulas = sum(len(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", text, re.DOTALL)) for text in plain)
    page = (site / f"{name}.html").read_text(encoding="utf-8")
    assert page.count("<math ") == formulas
    assert "\\(" not in page and "$$" not in page


def test_formula_is_not_sought_in_code():
    assert publish.formulas_as_mathml("`$HOME` and `$x$`") == "`$HOME` and `$x$`"
    assert "<mi>x</mi>" in publish.formulas_as_mathml("so $x$")


def test_upload_button_and_explorers_say_that_they_need_a_kernel(site):
    page = (site / "00_start_here.html").read_text(encoding="utf-8")
    assert "In the running notebook: A button that takes photographs from your disk." in page
    assert "In the running notebook, this picture has controls." in page


def test_publishing_says_in_a_sentence_what_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(publish, "SITE", tmp_path / "site")
    monkeypatch.setattr(publish, "build", lambda paths, site, handouts: Path(site).mkdir())
    monkeypatch.setattr(publish, "BROWSERS", ())
    monkeypatch.setattr(publish, "NEEDED", ())
    publish.publish()
    said = capsys.readouterr().out
    assert "The PDFs were left out" in said and "index.html" in said
    monkeypatch.setattr(publish, "NEEDED", ("sphinx_of_nobody",))
    with pytest.raises(SystemExit, match=r"needs sphinx_of_nobody: run .*pip install"):
        publish.publish()
