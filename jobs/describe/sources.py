"""What a batch is made from: artifacts, the index, and a file of titles."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jobs.describe.titles import TitleFile
from jobs.retrieval.search_index import SearchIndex
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue
from jobs.text.cleaning import Profile


@dataclass(frozen=True, kw_only=True)
class BatchSources:
    """The sources of a batch. Without `file`, its titles are those of the catalogue `products`."""

    products: Catalogue
    model: Artifact
    model_name: str
    index: SearchIndex | None
    matcher: Artifact | None
    file: TitleFile | None

    @property
    def profile(self) -> Profile:
        """The profile that the titles of the catalogue were cleaned with."""
        return "reference" if self.products.artifact.manifest.settings.get("profile") == "reference" else "catalogue"

    @property
    def inputs(self) -> dict[str, str]:
        """The input digests of the batch's manifest."""
        digests = {"model": self.model.digest, "titles": self.file.digest if self.file else self.products.digest}
        digests |= {"index": self.index.digest} if self.index else {}
        return digests | ({"matcher": self.matcher.digest} if self.matcher else {})

    @property
    def former(self) -> Mapping[str, Collection[str]]:
        """The digests under which earlier versions recorded an input."""
        return {"index": self.index.former_digests} if self.index else {}
