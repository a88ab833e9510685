"""What is defined: spiders' documents, and the file that holds spiders and jobs.

`spiders` is the one write path of spiders; `file` reads a definitions file, `load` makes the database say the same,
`dump` writes a file whose loading changes nothing.
"""

from __future__ import annotations

from crawler.problems import InvalidDefinitions, Problem

from .dumping import dump, to_yaml
from .file import Definitions, TooManyDefinitions, parse_file, parse_files
from .loading import DefinitionsBusy, load
from .planning import Plan, PlanChanged, carry_out, plan
from .report import LoadReport, Outcome
from .spiders import (
    SpiderExists,
    SpiderInUse,
    SpiderNotFound,
    delete_spider,
    dump_spider,
    restore_spider_version,
    save_spider,
    set_enabled,
    users_of,
    warnings,
)

__all__ = [
    "Definitions",
    "DefinitionsBusy",
    "InvalidDefinitions",
    "LoadReport",
    "Outcome",
    "Plan",
    "PlanChanged",
    "Problem",
    "SpiderExists",
    "SpiderInUse",
    "SpiderNotFound",
    "TooManyDefinitions",
    "carry_out",
    "delete_spider",
    "dump",
    "dump_spider",
    "load",
    "parse_file",
    "parse_files",
    "plan",
    "restore_spider_version",
    "save_spider",
    "set_enabled",
    "to_yaml",
    "users_of",
    "warnings",
]
