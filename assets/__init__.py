"""The asset graph, one file a stage: load, call the domain (`llm_auction`), save, attach metadata."""
