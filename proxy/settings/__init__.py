"""TOML file, environment and flags become frozen settings; nothing else in the product reads the environment."""
