"""From a source of ads to a validated catalog, with every row that was turned down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from llm_auction.catalog.columns import ColumnMapping
from llm_auction.catalog.files import detect_format, find_files, read_rows
from llm_auction.catalog.merchant import MERCHANT_COLUMNS, merchant_name
from llm_auction.catalog.rows import InvalidField, RejectedRow, SourceError, reject, storable
from llm_auction.catalog.validation import AD_COLUMNS, validate_ad
from llm_auction.market import Ad
from llm_auction.profiles.schema import CatalogConfig

_EXAMPLES = 3  # rejected rows quoted in an error


class CatalogError(SourceError):
    """The catalog as a whole can't be used; the message names the file or the rows and what to do."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The ads of one source in reading order, the rows that were rejected, and the files that were read."""

    ads: tuple[Ad, ...]
    rejected: tuple[RejectedRow, ...]
    sources: tuple[str, ...]

    @property
    def rejected_share(self) -> float:
        """Rejected rows among all rows, in [0, 1]."""
        rows = len(self.ads) + len(self.rejected)
        return len(self.rejected) / rows if rows else 0.0

    def require_acceptable(self, max_rejected_share: float) -> None:
        """Refuse a catalog without ads, or with too many rejected rows.

        Raises:
            CatalogError: says how many rows fell to which reason and quotes the first.
        """
        if self.ads and self.rejected_share <= max_rejected_share:
            return
        if not self.rejected:
            raise CatalogError(f"catalog.source: no ads in {', '.join(self.sources)}")
        reasons = Counter(row.field or "row" for row in self.rejected).most_common()
        examples = "; ".join(
            f"{row.source}:{row.row} {row.field} {row.reason}".replace("  ", " ") for row in self.rejected[:_EXAMPLES]
        )
        raise CatalogError(
            f"{len(self.rejected)} of {len(self.ads) + len(self.rejected)} catalog rows are rejected "
            f"({', '.join(f'{field}: {count}' for field, count in reasons)}), more than catalog.max_rejected_share = "
            f"{max_rejected_share:g} allows. First: {examples}"
        )


def load_catalog(config: CatalogConfig) -> Catalog:
    """Read and validate the catalog, and refuse it when too much of it is rejected.

    Raises:
        CatalogError: see `read_catalog` and `Catalog.require_acceptable`.
    """
    catalog = read_catalog(config)
    catalog.require_acceptable(config.max_rejected_share)
    return catalog


def read_catalog(config: CatalogConfig) -> Catalog:
    """Read and validate the catalog that `config` names, whatever the share of rejected rows.

    Raises:
        CatalogError: no such file, a file that can't be read, a column that isn't there.
    """
    if config.source is None:
        with as_file(files("llm_auction.catalog") / "bundled_ads.jsonl") as path:
            return _read([path], "jsonl", config)
    try:
        return _read(find_files(config.source), config.format, config)
    except SourceError as error:
        raise CatalogError(f"catalog.source: {error}") from error


def _read(paths: list[Path], format_: str, config: CatalogConfig) -> Catalog:
    ads: dict[str, Ad] = {}
    first_seen: dict[str, str] = {}
    rejected: list[RejectedRow] = []
    for path in paths:
        actual = detect_format(path) if format_ == "auto" else format_
        mapping = _column_mapping(actual, config)
        seen: dict[str, None] = {}
        for row in read_rows(path, actual):
            if row.problem is not None:
                rejected.append(reject(row, None, "", row.problem))
                continue
            seen.update(dict.fromkeys(row.values))
            values = {field: mapping.value(row.values, field) for field in AD_COLUMNS}
            try:
                ad = validate_ad(values, config, category_paths=actual.startswith("merchant"))
                if ad.ad_id in ads:
                    raise InvalidField("ad_id", f"repeats the ad of {first_seen[ad.ad_id]}")
            except InvalidField as error:
                rejected.append(reject(row, values["ad_id"], error.field, error.reason))
            else:
                ads[ad.ad_id] = ad
                first_seen[ad.ad_id] = f"{row.source}:{row.number}"
        if seen:
            mapping.check(str(path), seen)
    return Catalog(tuple(ads.values()), tuple(rejected), tuple(storable(str(path)) for path in paths))


def _column_mapping(format_: str, config: CatalogConfig) -> ColumnMapping:
    merchant = format_.startswith("merchant")
    configured = {field: merchant_name(name) if merchant else name for field, name in config.columns.items()}
    return ColumnMapping(
        MERCHANT_COLUMNS if merchant else AD_COLUMNS, configured, ("ad_id", "title"), "catalog.columns"
    )
