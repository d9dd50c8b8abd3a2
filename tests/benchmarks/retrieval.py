"""Candidates for 1,000 queries out of a million synthetic ads: processor time and peak memory.

    python -m tests.benchmarks.retrieval [--ads 1000000] [--queries 1000] [--candidates 100] [--seed 0] [--approximate]

Texts are drawn from 50,000 made-up words whose frequencies fall as those of a language do (Zipf). Processor seconds are
those of one process; memory is what it held at most beyond the ads themselves. `--approximate` measures, in place of
BM25, nearest neighbours of embedded texts in an inverted file of faiss (`pip install faiss-cpu`, needed for this only).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence

import numpy as np

from llm_auction.candidates import AdRetriever, candidates_of
from llm_auction.market import Ad, Query
from llm_auction.pctr.encoders import HashingEncoder
from llm_auction.profiles.schema import CandidatesConfig
from llm_auction.seeds import generator

WORDS, TITLE, DESCRIPTION, QUESTION = 50_000, 4, 12, 6
CHUNK = 100_000  # texts drawn or embedded at a time
CELLS, TRAINING_TEXTS, PROBES = 1024, 50_000, (8, 32, 128)  # of the inverted file


class Language:
    """Made-up words with Zipf's frequencies."""

    def __init__(self, rng: np.random.Generator) -> None:
        letters = rng.integers(ord("a"), ord("z") + 1, (WORDS, 9), dtype=np.uint8)
        sizes = rng.integers(4, 10, WORDS)
        self._words = [bytes(row[:size]).decode() for row, size in zip(letters, sizes, strict=True)]
        shares = 1 / np.arange(1, WORDS + 1) ** 0.9
        self._cumulative = np.cumsum(shares / shares.sum())
        self._rng = rng

    def texts(self, count: int, length: int) -> list[str]:
        drawn: list[str] = []
        for start in range(0, count, CHUNK):
            uniforms = self._rng.random((min(CHUNK, count - start), length))
            rows = np.minimum(np.searchsorted(self._cumulative, uniforms), WORDS - 1)
            drawn += [" ".join(map(self._words.__getitem__, row)) for row in rows.tolist()]
        return drawn


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def approximate(ads: Sequence[Ad], queries: Sequence[Query], candidates: int) -> None:
    """Cosine neighbours of hashed texts: what an inverted file takes, and how many of the true ones it finds."""
    import faiss

    faiss.omp_set_num_threads(1)
    encoder = HashingEncoder()
    held, started = peak_mib(), time.process_time()
    texts = [f"{ad.title} {ad.description}" for ad in ads]
    vectors_AD = np.concatenate([encoder.encode(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)])
    queries_QD = encoder.encode([query.text for query in queries])
    print(f"{len(ads):,} embeddings: {time.process_time() - started:.1f} s, {peak_mib() - held:,.0f} MiB", flush=True)
    started = time.process_time()
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(encoder.dimension), encoder.dimension, CELLS, faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors_AD[:TRAINING_TEXTS])
    index.add(vectors_AD)
    print(f"inverted file: {time.process_time() - started:.1f} s, peak {peak_mib() - held:,.0f} MiB", flush=True)
    started = time.process_time()
    _, nearest_QK = faiss.knn(queries_QD, vectors_AD, candidates, metric=faiss.METRIC_INNER_PRODUCT)
    print(f"every ad compared: {(time.process_time() - started) / len(queries) * 1000:.1f} ms a query", flush=True)
    for probes in PROBES:
        index.nprobe, started = probes, time.process_time()
        _, found_QK = index.search(queries_QD, candidates)
        each = (time.process_time() - started) / len(queries) * 1000
        pairs = zip(found_QK, nearest_QK, strict=True)
        recall = float(np.mean([np.isin(found, nearest).mean() for found, nearest in pairs]))
        print(f"{probes} of {CELLS} cells: {each:.1f} ms a query, {recall:.0%} of the true neighbours", flush=True)


def main() -> None:
    """Make the ads, index them, find the candidates, print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.retrieval", description=__doc__)
    parser.add_argument("--ads", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--approximate", action="store_true")
    options = parser.parse_args()
    language = Language(generator(options.seed, "retrieval benchmark"))
    titles, descriptions = language.texts(options.ads, TITLE), language.texts(options.ads, DESCRIPTION)
    ads = [
        Ad(str(number), title, title.split()[0], description)
        for number, (title, description) in enumerate(zip(titles, descriptions, strict=True))
    ]
    queries = [Query(str(number), "u", text) for number, text in enumerate(language.texts(options.queries, QUESTION))]
    if options.approximate:
        approximate(ads, queries, options.candidates)
        return
    held, started = peak_mib(), time.process_time()
    retriever = AdRetriever(ads)
    indexed, started = time.process_time() - started, time.process_time()
    print(f"index of {len(ads):,} ads: {indexed:.1f} s, {peak_mib() - held:,.0f} MiB", flush=True)
    config = CandidatesConfig(per_query=options.candidates)
    for query in queries:
        candidates_of(query, retriever, config, options.seed)
    found = time.process_time() - started
    each = found / len(queries) * 1000
    print(f"{len(queries):,} queries: {found:.1f} s, {each:.1f} ms each; peak {peak_mib() - held:,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
