# SPDX-License-Identifier: Apache-2.0
"""suite - what every test suite of others has in common: units, their commands, their cases and results."""
import dataclasses
import pathlib

PASS, FAIL, SKIP, HUNG, ABSENT = "pass", "fail", "skip", "hung", "absent"

# The end of a unit's process is a case like any other: a crash after the last case must not go unseen.
PROCESS = "(process)"


@dataclasses.dataclass
class Command:
    """How a unit is run. Its output is kept in folder/output; whatever else it writes goes to folder as well."""
    argv: list
    cwd: pathlib.Path
    environment: dict = dataclasses.field(default_factory=dict)


class Suite:
    """One suite. A unit is what one process runs (a module, a file); a case is what it reports on."""
    name = ""
    debian_packages = ()
    debian_source = None  # the package whose source holds the tests, if no package ships them
    source_members = ()  # what of it is needed
    limit_s = 600

    def __init__(self, sources):
        self.root = sources / self.debian_source if self.debian_source else None

    def missing(self):
        """Return: why the suite cannot run here, or None."""
        return None

    def version(self):
        """Return: what runs the tests, in a few words."""
        raise NotImplementedError

    def units(self, quick):
        """Return: the units, in order; a choice of fast ones if quick."""
        raise NotImplementedError

    def command(self, unit, folder, case=None):
        """Return: the Command for a unit, or for one case of it alone."""
        raise NotImplementedError

    def cases(self, unit, folder):
        """Return: {case: PASS | FAIL | SKIP | HUNG} from what a run left in folder."""
        raise NotImplementedError
