"""`python -m helpers`: what this machine has and lacks. `… present 04`: a notebook as slides. `… publish`: the book."""

import argparse
import sys

from helpers import machine
from helpers.errors import CourseError


def check() -> None:
    """Print what this machine has and lacks; exit with 1 when something that is needed is missing."""
    findings = machine.check()
    print(machine.report(findings))
    sys.exit(any(finding.state == machine.MISSING for finding in findings))


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("check", help="what this machine has and lacks (the default)")
    present = commands.add_parser("present", help="open a notebook as slides, with a running kernel")
    present.add_argument("notebook", help="its number or the beginning of its name: 04")
    present.add_argument("options", nargs=argparse.REMAINDER, help="JupyterLab's own: --no-browser")
    commands.add_parser("publish", help="build site/: the book, the slides and a PDF of each notebook")
    given = parser.parse_args()
    if given.command == "present":
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
