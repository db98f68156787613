"""The settings by what they are about; `config.model` puts them together."""
