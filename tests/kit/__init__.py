"""Building blocks of the tests: raw client, scriptable upstream, the product as processes, the laws."""
