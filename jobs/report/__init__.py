"""The job `report`: metrics and answers of a run as one page."""
