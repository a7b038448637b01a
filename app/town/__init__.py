"""The town of Pasuruan: what every installation begins with, and the demo town in which people already work."""
