"""The methods once more, slowly: loops and dictionaries, written from the method's description; nothing of rgd."""
