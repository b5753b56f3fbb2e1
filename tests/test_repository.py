"""What a newcomer meets: the README's commands, the set-up cell, the check of the machine, the pictures."""

import html
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
import unicodedata
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest
import yaml
from PIL import Image

from helpers import ROOT, machine, plotting
from images import drawing

README = (ROOT / "README.md").read_text()
ENVIRONMENT = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && "
FOR_TESTS = ENVIRONMENT.replace("requirements", "requirements-test")


def readme_commands(language):
    return [line for block in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]


def test_readme_has_two_commands_of_one_line():
    opening, testing = readme_commands("sh")
    assert opening == ENVIRONMENT + ".venv/bin/jupyter lab --notebook-dir=. notebooks/00_start_here.ipynb"
    assert testing == FOR_TESTS + ".venv/bin/pytest"


def test_windows_commands_are_the_same_ones():
    there = [command.replace("\\", "/").replace("/Scripts/", "/bin/") for command in readme_commands("bat")]
    assert [command.replace("py -m", "python3 -m") for command in there] == readme_commands("sh")


def test_ci_runs_the_readmes_test_command():
    extraction = re.search(r"^test_command=\$\((.*)\)$", (ROOT / ".ci/run").read_text(), re.MULTILINE).group(1)
    extracted = subprocess.run(["bash", "-c", extraction], cwd=ROOT, capture_output=True, text=True, check=True)
    assert extracted.stdout.splitlines() == readme_commands("sh")[1:]
    assert 'bash -c "$test_command"' in (ROOT / ".ci/run").read_text()


def test_the_first_command_opens_the_first_notebook(tmp_path):
    """The command as it is, but for a stand-in browser that is handed the page to open."""
    program, *arguments = shlex.split(readme_commands("sh")[0].rpartition("&& ")[2])
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\ncp "${{1#file://}}" "{opened}.part" && mv "{opened}.part" "{opened}"\n')
    browser.chmod(0o755)
    surroundings = {"BROWSER": f"{browser} %s", "HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)}
    command = [Path(sys.executable).with_name(Path(program).name), *arguments, "--port-retries=999", "--allow-root"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | surroundings, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(600):
                if opened.exists():
                    break
                time.sleep(0.1)
            address = html.unescape(re.search(r'href="([^"]+)"', opened.read_text()).group(1))
            assert f"/lab/tree/{arguments[-1]}?token=" in address
            contents = address.replace("/lab/tree/", "/api/contents/")
            assert json.loads(urllib.request.urlopen(contents).read())["content"]["cells"]
            assert b"<title>JupyterLab</title>" in urllib.request.urlopen(address).read()
        finally:
            server.terminate()


@pytest.mark.parametrize(
    "start", ["deep-learning-1", "deep-learning-1/notebooks", "deep-learning-1/tests/benchmarks", "."]
)
def test_set_up_cell_finds_helpers(start, tmp_path):
    """From the root and from notebooks/ (JupyterLab, VS Code, nbval), and from above a fresh clone (Colab)."""
    (tmp_path / "deep-learning-1").symlink_to(ROOT)
    cells = json.loads((ROOT / "notebooks/00_start_here.ipynb").read_text())["cells"]
    source = "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])
    finding = source.partition("sys.path.insert(0, str(course))\n")
    program = finding[0] + finding[1] + "import helpers\nprint(helpers.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path / start, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).resolve() == ROOT / "helpers/__init__.py"


# ---- links ----

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("notebooks/[0-9]*.ipynb"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def text_of(page):
    """Its text without code, which may hold brackets that are no links."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```$|^    .*?$|`[^`\n]+`", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """Of its headings, as GitHub makes them: small letters, spaces as hyphens, without punctuation."""
    headings = re.findall(r"^#+ +(.+?)\s*$", text_of(page), re.MULTILINE)
    kept = [[c for c in each.lower() if c in " -_" or unicodedata.category(c)[0] in "LN"] for each in headings]
    return {"".join(each).replace(" ", "-") for each in kept}


def links(page):
    """Where its links lead: those in the text, those defined below it, and those of HTML."""
    text = text_of(page)
    used = re.findall(r"\]\[([^\]]+)\]", text)
    defined = dict(re.findall(r"^\[([^\]]+)\]: (\S+)$", text, re.MULTILINE))
    assert set(used) == set(defined), page
    written = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"""(?:href|src)=["']([^"']+)""", text)
    written += re.findall(r"(?<![(\w\"'])https?://[^\s)>]+", re.sub(r"^\[[^\]]+\]: .*$", "", text, flags=re.MULTILINE))
    return [*written, *defined.values()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_to_a_file_and_a_heading(page):
    inside = [link for link in links(page) if not re.match(r"[a-z]+:", link)]
    for path, _, anchor in (link.partition("#") for link in inside):
        target = page.parent / urllib.parse.unquote(path) if path else page
        assert target.resolve().is_relative_to(ROOT) and target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_elsewhere_are_well_formed_and_cited_once_on_a_page(page):
    outside = [link for link in links(page) if re.match(r"[a-z]+:", link)]
    for link in outside:
        parts = urllib.parse.urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", parts.netloc), link
        assert re.fullmatch(r"[\w/.~%+=&?:,;@-]*", link.partition("://")[2].partition("#")[0], re.ASCII), link
        assert not link.endswith((".", ",", ";", ":")), link
        paper = re.match(r"https://arxiv.org/(.*)", link)
        assert not paper or re.fullmatch(r"abs/\d{4}\.\d{4,5}", paper.group(1)), link
    assert [link for link, times in Counter(outside).items() if times > 1] == []


BAD_LINKS = {
    "[a](nowhere.md)": test_links_inside_the_repository_lead_to_a_file_and_a_heading,
    "[a](#no-such-heading)": test_links_inside_the_repository_lead_to_a_file_and_a_heading,
    "[a](README.md#two-command)": test_links_inside_the_repository_lead_to_a_file_and_a_heading,
    "[a](/etc/hostname)": test_links_inside_the_repository_lead_to_a_file_and_a_heading,
    '<img src="images/no.png">': test_links_inside_the_repository_lead_to_a_file_and_a_heading,
    "[a][nowhere]": test_links_inside_the_repository_lead_to_a_file_and_a_heading,
    "[a](http://arxiv.org/abs/1512.03385)": test_links_to_elsewhere_are_well_formed_and_cited_once_on_a_page,
    "[a](https://arxiv.org/pdf/1512.03385)": test_links_to_elsewhere_are_well_formed_and_cited_once_on_a_page,
    "[a](https://arxiv.org/abs/1512.033)": test_links_to_elsewhere_are_well_formed_and_cited_once_on_a_page,
    "[a](https://localhost/x)": test_links_to_elsewhere_are_well_formed_and_cited_once_on_a_page,
    "see https://pytorch.org/docs.": test_links_to_elsewhere_are_well_formed_and_cited_once_on_a_page,
    "[a](https://a.org/x) [b](https://a.org/x)": test_links_to_elsewhere_are_well_formed_and_cited_once_on_a_page,
}


@pytest.mark.parametrize("text", BAD_LINKS)
def test_a_bad_link_is_found(text, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "README.md").write_text("# A\n\n## Two commands\n\n[a](README.md#two-commands) [b](https://a.org/y)\n")
    for test in set(BAD_LINKS.values()):
        test(tmp_path / "README.md")
    (tmp_path / "B.md").write_text(f"# B\n\n{text}\n")
    with pytest.raises(AssertionError):
        BAD_LINKS[text](tmp_path / "B.md")


def test_the_repository_has_one_address_everywhere():
    """In pyproject.toml; badges, the citation and the commands name the same."""
    address = PROJECT["urls"]["repository"]
    assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address)
    slug = address.removeprefix("https://github.com/")
    badges = re.findall(r"^\[\d\d\]: https://colab\.research\.google\.com/github/(.*)$", README, re.MULTILINE)
    notebooks = sorted(path.name for path in ROOT.glob("notebooks/[0-9]*.ipynb"))
    assert badges == [f"{slug}/blob/main/notebooks/{name}" for name in notebooks]
    assert f"!git clone {address} {PROJECT['name']} &&" in README
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"] == address
    assert f"repo={address}&urlpath=lab/tree/" in (ROOT / "INSTRUCTORS.md").read_text()
    assert f"in place of `{slug}`" in (ROOT / "CONTRIBUTING.md").read_text()
    for path in [*ROOT.glob("*.md"), ROOT / "CITATION.cff"]:  # a place that was forgotten when the address changed
        assert slug == "OWNER/deep-learning-1" or "OWNER/deep-learning-1" not in path.read_text(), path


def test_each_notebook_has_its_button_in_the_readmes_table():
    rows = re.findall(r"^\| \[(\d\d) .*\]\(notebooks/(\d\d)_\w+\.ipynb\) \|.*\| (.*) \|$", README, re.MULTILINE)
    assert len(rows) == len(list(ROOT.glob("notebooks/[0-9]*.ipynb")))
    for number, file, button in rows:
        assert file == number and button == f"[![Open {number} in Colab][badge]][{number}]"


def test_the_citation_and_the_dev_container_say_what_the_project_says():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format demands
    assert citation["version"] == PROJECT["version"] and citation["type"] == "software"
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"].startswith(FOR_TESTS)
    assert f"export PIP_EXTRA_INDEX_URL={container['containerEnv']['PIP_EXTRA_INDEX_URL']}\n" in README
    python = container["image"].rpartition(":")[2]
    assert python in README or tuple(map(int, python.split("."))) >= (3, 11)


# ---- nbval, which is little maintained ----

TINY = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "a", "language": "python"}})
for said in ("1", "2"):
    output = nbformat.v4.new_output("stream", text=f"{said}\n")
    TINY.cells.append(nbformat.v4.new_code_cell("print(1)", outputs=[output], execution_count=1))


def compare(folder, *options):
    """What nbval says of a notebook with two cells, of which the second has a wrong output."""
    nbformat.write(TINY, folder / "tiny.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
    command += ["--nbval", "--nbval-current-env", "--rootdir", folder, "tiny.ipynb"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


def test_nbval_compares_notebooks_without_what_pytest_is_about_to_give_up(tmp_path):
    """Fails while all still works, at the first deprecation: then see CONTRIBUTING.md, What will break."""
    said = compare(tmp_path, "-W", "error::pytest.PytestDeprecationWarning")
    assert re.search(r"^1 failed, 1 passed", said, re.MULTILINE), said


@pytest.mark.xfail(strict=True, reason="nbval 0.11 reads node.fspath, which pytest keeps in its plugin legacypath")
def test_nbval_does_without_pytests_old_paths(tmp_path):
    """Where this passes, nbval has been mended: take it out, and its line in CONTRIBUTING.md."""
    said = compare(tmp_path, "-p", "no:legacypath")
    assert re.search(r"^1 failed, 1 passed", said, re.MULTILINE), said


# ---- the check of the machine ----


def test_check_of_the_machine_finds_all_here():
    findings = machine.check()
    assert not [finding for finding in findings if finding.state == machine.MISSING]
    assert {"Python", "packages", "memory", "GPU", "time", "animal silhouettes"} <= {each.what for each in findings}
    assert machine.report(findings).endswith("This machine has what the course needs.")


def test_check_of_the_machine_names_what_is_missing_and_its_cure(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("torch>=99  # none\nno-such-package\nnumpy\n")
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    report = machine.report(machine.check())
    assert "no-such-package is not installed" in report and "not >=99" in report
    assert "pip install -r requirements.txt" in report and report.endswith("Missing: packages.")


def test_check_of_the_machine_says_when_imagenet_dir_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGENET_DIR", str(tmp_path / "nowhere"))
    assert "nowhere" in machine.report(machine.check())
    assert machine.report(machine.check()).endswith("Missing: ImageNet photographs.")


def test_python_m_helpers_prints_the_same_table_and_succeeds():
    said = subprocess.run([sys.executable, "-m", "helpers"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.rstrip().endswith("This machine has what the course needs.")
    assert not said.stderr


def test_readme_shows_its_picture_with_the_pictures_alternative_text():
    assert f"![{drawing.alt('start_here')}](images/start_here.png)" in README


def test_every_picture_is_drawn_by_code():
    assert {path.stem for path in plotting.IMAGES.glob("*.png")} == set(drawing.PICTURES)


def differ(committed, drawn, same_release):
    """Whether two pictures are not the same one, both uint8 [H, W, 3].

    Another release of Matplotlib moves letters by pixels: then only the means of squares of 32 pixels are compared, of
    which 3.10 and 3.11 moved none by more than 40.
    """
    if committed.shape != drawn.shape:
        return True
    if same_release:
        return (abs(committed - drawn).max(axis=2) > 48).mean() >= 0.0002  # one changed digit is more
    rows, columns = committed.shape[0] // 32, committed.shape[1] // 32
    squares = (committed - drawn)[: rows * 32, : columns * 32].reshape(rows, 32, columns, 32, 3).mean(axis=(1, 3))
    return abs(squares).max() > 64


@pytest.mark.parametrize("name", drawing.PICTURES)
def test_committed_picture_is_what_the_code_draws(name):
    known = json.loads(drawing.WORDS.read_text(encoding="utf-8"))[name]
    file, words = drawing.draw(name)
    assert words == known["words"]
    committed, drawn = (
        np.asarray(Image.open(source).convert("RGB"), dtype=float)
        for source in (plotting.IMAGES / f"{name}.png", io.BytesIO(file))
    )
    releases = (matplotlib.__version__, known["matplotlib"])
    assert not differ(committed, drawn, len({release.rpartition(".")[0] for release in releases}) == 1)
    assert Image.open(plotting.IMAGES / f"{name}.png").info["Description"] == drawing.alt(name)


def test_a_changed_bar_is_found_under_another_release_of_matplotlib_too():
    drawn = np.asarray(Image.open(plotting.IMAGES / "start_here.png").convert("RGB"), dtype=float)
    assert not differ(drawn, np.roll(drawn, 1, axis=1), same_release=False)
    changed = drawn.copy()
    changed[100:140, 100:140] = 255 - changed[100:140, 100:140]
    assert differ(drawn, changed, same_release=False)


def test_the_package_says_how_threads_wait_before_pytorch_is_loaded():
    program = "import sys, os, helpers; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["10000", "False"]
