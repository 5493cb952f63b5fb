"""Alerts: conditions that rules are about, noticed by the relays and told by mail and webhook.

`facts` reads, `conditions` says in words what is wrong, and `rules` has the declared rules. `checking` starts and ends
alerts, `telling` words their news, `delivery` hands it over, and `webhook` signs it and posts it.
"""
