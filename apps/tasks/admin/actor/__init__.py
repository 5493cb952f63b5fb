"""The pages of the actors: what each did in a period, and one actor with its options, its chart and its failures."""
