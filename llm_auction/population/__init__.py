"""Who asks and what: synthetic users and questions from a seeded generator, and query files of the user's own."""
