"""A module that is called like the function it is named after."""

import sys
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """Calling the module calls its function of the same name.

    A package has one name for a module in it and for a function that it hands on: whichever is
    imported last stands there. With this both `from leukodiff.pipeline import analyze` and
    `from leukodiff.pipeline.analyze import analyze` give something that analyzes, in any order.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)


def make_callable(name: str) -> None:
    """Lets a module that has been imported be called."""
    sys.modules[name].__class__ = CallableModule
