"""Every way in which Django runs as several processes: all messages arrive, each once."""
