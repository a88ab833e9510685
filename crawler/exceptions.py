"""The base of what this app raises beside the engine's own tree.

CrawlerError
├── InvalidDefinitions   crawler.problems: all that is wrong with a file
├── DefinitionsBusy      crawler.definitions: a load that others always get ahead of
├── TooManyDefinitions   crawler.definitions: a file with more than are taken at once
├── SpiderNotFound       crawler.definitions
├── SpiderInUse          crawler.definitions: a job or a run stands in the way
├── TaskNotFound         crawler.tasks
├── TaskEnded            crawler.tasks: what was asked needs a task that has not ended
└── SecretError          crawler.secrets
    └── SecretMissing
"""

from __future__ import annotations


class CrawlerError(Exception):
    """Base of all errors of this app; its text is for people: the object, the value and the remedy."""
