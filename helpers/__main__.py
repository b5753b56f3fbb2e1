"""`python -m helpers`: show what this machine has and lacks; exit with 1 when something that is needed is missing."""

import sys

from helpers import machine

findings = machine.check()
print(machine.report(findings))
sys.exit(any(finding.state == machine.MISSING for finding in findings))
