"""`python -m helpers`: what this machine has and lacks, and how long the course computes on it.

`… classify FILE PHOTO…`: what networks say of photographs. `… present 04`: a notebook as slides. `… publish`: the book.
"""

import argparse
import sys

from helpers import machine
from helpers.errors import CourseError


def check() -> None:
    """Print what this machine has and lacks, and its speed; exit with 1 when something that is needed is missing."""
    findings = machine.check()
    print(machine.report(findings))
    sys.exit(any(finding.state == machine.MISSING for finding in findings))


def classify(source: str, paths: list[str]) -> None:
    """Print what a network (a file of yours, or one of pretrained's names) says of each photograph.

    One that cannot be read gets its sentence instead, and the exit status is then 1.
    """
    from helpers import photos, pretrained

    network, status = pretrained.load(source), 0
    for path in paths:
        try:
            guesses = network.classify(photos.read_photo(path), k=3)
            print(f"{path}: {', '.join(f'{name} {probability:.1%}' for name, probability in guesses)}")
        except CourseError as error:
            print(error, file=sys.stderr)
            status = 1
    sys.exit(status)


def main() -> None:
    """Do what the command line asks for."""
    sys.stdout.reconfigure(errors="backslashreplace")  # a folder's name may have letters that the terminal has not
    description = "What this machine has and lacks, and how long the course computes on it."
    parser = argparse.ArgumentParser(prog="python -m helpers", description=description)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("check", help="what this machine has and lacks, and its speed (the default)")
    named = commands.add_parser("classify", help="what a network says of photographs")
    named.add_argument("network", help="a file that pretrained.save wrote, or a network's name: efficientnet_lite0")
    named.add_argument("photos", nargs="+", help="files of photographs")
    present = commands.add_parser("present", help="open a notebook as slides, with a running kernel")
    present.add_argument("notebook", help="its number or the beginning of its name: 04")
    present.add_argument("options", nargs=argparse.REMAINDER, help="JupyterLab's own: --no-browser")
    commands.add_parser("publish", help="build site/: the book, the slides and a PDF of each notebook")
    given = parser.parse_args()
    if given.command == "classify":
        classify(given.network, given.photos)
    elif given.command == "present":
        from helpers.teaching import present

        present.present(given.notebook, *given.options)
    elif given.command == "publish":
        from helpers.teaching import publish

        publish.publish()
    else:
        check()


if __name__ == "__main__":
    try:
        main()
    except CourseError as error:
        sys.exit(str(error))
