"""The same run on many machines: Ray deals out the slides, an object store may hold them all."""

from ..settings import AUTO, LOCAL, ClusterSettings

__all__ = ["AUTO", "LOCAL", "ClusterSettings"]
