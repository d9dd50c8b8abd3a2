"""The ad catalog: reading feeds of several formats, validating their rows, keeping what is rejected."""

from llm_auction.catalog.reading import Catalog, CatalogError, load_catalog, read_catalog
from llm_auction.catalog.rows import RejectedRow

__all__ = ["Catalog", "CatalogError", "RejectedRow", "load_catalog", "read_catalog"]
