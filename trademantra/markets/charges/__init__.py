"""What a trade costs: brokerage, taxes and exchange charges by date, as composable rules in dated data files.

`note.contract_note` gives the costs of a day's executed orders; `numeric.numeric_rules` gives the same rules
as an array for the engine; `json_form` reads what `tm charges` reads.
"""
