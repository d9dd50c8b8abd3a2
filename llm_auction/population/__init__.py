"""Who asks and what: synthetic users and questions from a seeded generator, and query files of the user's own."""

from llm_auction.population.generator import generate_population
from llm_auction.population.market_topics import market_topics
from llm_auction.population.query_files import QueryFileError, read_queries
from llm_auction.population.users import Population

__all__ = ["Population", "QueryFileError", "generate_population", "market_topics", "read_queries"]
