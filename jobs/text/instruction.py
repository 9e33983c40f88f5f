"""The fixed words of a prompt, before the title and before the text of each retrieved neighbour."""

INSTRUCTION = "Please describe this product: "
NEIGHBOUR_SEPARATOR = " Similar product: "
