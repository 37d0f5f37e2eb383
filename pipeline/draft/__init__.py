"""A first configuration, drafted by looking at the data: what ``cfpipe init`` writes."""
