"""The bundled world: fifty topics with what people need and buy in each, and how near the topics are to one another."""
