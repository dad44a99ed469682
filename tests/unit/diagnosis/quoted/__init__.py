"""Messages of systems that cannot be had to say them here: each with the place in their source where they stand.

``%s`` of a source is filled in as that system does.
"""

from __future__ import annotations

from diagnosis.quoted.ending import ENDING
from diagnosis.quoted.origin import Quoted
from diagnosis.quoted.placing import PLACING
from diagnosis.quoted.programs import PROGRAMS
from diagnosis.quoted.starting import STARTING

__all__ = ["QUOTED", "Quoted"]

QUOTED = (*PROGRAMS, *ENDING, *STARTING, *PLACING)
